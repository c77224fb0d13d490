"""The application: its routes, its pool, and what errors become."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route

from catalog.api import endpoints
from catalog.api.pool import create_pool
from catalog.api.problems import HANDLERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUTES = [
    Route("/", endpoints.greeting),
    Route("/authors", endpoints.authors),
    Route("/books/{author_id}", endpoints.books_of_author),
]


def create_app(conninfo: str) -> Starlette:
    """The service on one database, which need not be there yet when it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with create_pool(conninfo) as pool:
            app.state.pool = pool
            yield

    app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    return app
