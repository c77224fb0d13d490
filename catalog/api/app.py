"""The application: its routes, what it holds while it runs, and what errors become."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog.api import endpoints, health, page
from catalog.api.health import Readiness
from catalog.api.problems import HANDLERS
from catalog.api.reading import REQUEST_TIMEOUT, Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from catalog.api.endpoints import State
    from catalog.api.health import Pending

_ALLOW = {"Allow": "GET, HEAD, OPTIONS"}


def create_app(
    conninfo: str, *, timeout: float = REQUEST_TIMEOUT, pending: Pending | None = None
) -> Starlette:
    """The service on one database, which need not be there yet when it starts.

    `timeout` is in seconds, and for what a request reads. The service is not ready while
    migrations are `pending`, if somebody can tell.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with Reader(conninfo, timeout) as reader:
            readiness = Readiness(reader, pending)
            yield {"reader": reader, "readiness": readiness}
            readiness.close()

    app = Starlette(routes=_routes(), lifespan=lifespan, exception_handlers=HANDLERS)
    # Each list has one address; "/authors/" is none.
    app.router.redirect_slashes = False
    return app


class _Address(Route):
    """What is read at one address, which says so to whoever asks.

    Its errors become answers in one place, around all of them; Starlette's own routes look out for
    them once more.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await Response(None, HTTPStatus.NO_CONTENT, _ALLOW)(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            response = await self.endpoint(Request(scope, receive, send))
            await response(scope, receive, send)
        else:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers=_ALLOW)


def _routes() -> list[Route]:
    routes: list[Route] = [
        # They are tried in this order.
        _Address("/books/{author_id}", endpoints.books_of_author),
        _Address("/authors", endpoints.authors),
        _Address("/authors/{author_id}", endpoints.author),
        _Address("/search", endpoints.search),
        _Address("/", page.page_or_greeting),
        _Address("/page/{name}", page.file),
        _Address("/openapi.json", endpoints.description),
        _Address("/livez", health.livez),
        _Address("/readyz", health.readyz),
    ]
    for route in routes:
        # Starlette ends its patterns with "$", which lets a line feed follow: "/authors%0A".
        route.path_regex = re.compile(route.path_regex.pattern + r"\Z")
    return routes
