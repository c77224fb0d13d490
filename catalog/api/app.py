"""The application: its routes, what it holds while it runs, and what errors become."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route

from catalog.api import endpoints
from catalog.api.problems import HANDLERS
from catalog.api.reading import Reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catalog.api.endpoints import State


def create_app(conninfo: str) -> Starlette:
    """The service on one database, which need not be there yet when it starts."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with Reader(conninfo) as reader:
            yield {"reader": reader}

    app = Starlette(routes=_routes(), lifespan=lifespan, exception_handlers=HANDLERS)
    # Each list has one address; "/authors/" is none.
    app.router.redirect_slashes = False
    return app


def _routes() -> list[Route]:
    routes = [
        Route("/", endpoints.greeting),
        Route("/authors", endpoints.authors),
        Route("/books/{author_id}", endpoints.books_of_author),
    ]
    for route in routes:
        # Starlette ends its patterns with "$", which lets a line feed follow: "/authors%0A".
        route.path_regex = re.compile(route.path_regex.pattern + r"\Z")
    return routes
