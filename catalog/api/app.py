"""The application: its routes, what it holds while it runs, and what errors become."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from catalog.api import endpoints, health, page, problems
from catalog.api.health import Readiness
from catalog.api.reading import REQUEST_TIMEOUT, Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from catalog.api.endpoints import State
    from catalog.api.health import Pending

_ALLOW = {"Allow": "GET, HEAD, OPTIONS"}


def create_app(
    conninfo: str, *, timeout: float = REQUEST_TIMEOUT, pending: Pending | None = None
) -> Router:
    """The service on one database, which need not be there yet when it starts.

    `timeout` is in seconds, and for what a request reads. The service is not ready while
    migrations are `pending`, if somebody can tell.
    """

    @asynccontextmanager
    async def lifespan(_: None) -> AsyncIterator[State]:
        async with Reader(conninfo, timeout) as reader:
            readiness = Readiness(reader, pending)
            yield {"reader": reader, "readiness": readiness}
            readiness.close()

    # Each list has one address; "/authors/" is none.
    return Router(_routes(), redirect_slashes=False, default=_no_address, lifespan=lifespan)


class Address(Route):
    """What is read at one address, which says so to whoever asks, and what its errors become.

    Nothing is answered before the endpoint has returned. So its errors are met here, once, and not
    by the three layers that a `Starlette` puts around a request, and their watch over its answer.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever becomes of it."""
        request: Request[State] = Request(scope, receive, send)
        try:
            response = await self._respond(request)
        except problems.FORESEEN as exc:
            response = problems.answer(request, exc)
        except Exception:
            await problems.unforeseen(request)(scope, receive, send)
            raise  # for the server, which logs it with its traceback, and hangs up
        await response(scope, receive, send)

    async def _respond(self, request: Request[State]) -> Response:
        if request.method == "OPTIONS":
            return Response(None, HTTPStatus.NO_CONTENT, _ALLOW)
        if request.method not in ("GET", "HEAD"):
            return problems.method_not_allowed(request, _ALLOW)
        response: Response = await self.endpoint(request)
        return response


async def _no_address(scope: Scope, receive: Receive, send: Send) -> None:
    await problems.not_found(Request(scope))(scope, receive, send)


def _routes() -> list[Route]:
    routes: list[Route] = [
        # They are tried in this order.
        Address("/books/{author_id}", endpoints.books_of_author),
        Address("/authors", endpoints.authors),
        Address("/authors/{author_id}", endpoints.author),
        Address("/search", endpoints.search),
        Address("/", page.page_or_greeting),
        Address("/page/{name}", page.file),
        Address("/openapi.json", endpoints.description),
        Address("/livez", health.livez),
        Address("/readyz", health.readyz),
    ]
    for route in routes:
        # Starlette ends its patterns with "$", which lets a line feed follow: "/authors%0A".
        route.path_regex = re.compile(route.path_regex.pattern + r"\Z")
    return routes
