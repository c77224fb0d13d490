"""What our own server can be held against: without a database, and without sharing queries.

    python -m bench.api.limits constant|alone

takes DATABASE_URL and PORT. `constant` answers `/authors` with the real answer, which it reads
once: the limit of the server. `alone` answers `/books/{id}` with a query for each request.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import psycopg
from starlette.routing import Router

from catalog.api.app import Address, create_app
from catalog.api.conditional import entity_tag
from catalog.api.responses import tagged
from catalog.serve import serve
from tests import plain_queries

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from catalog.api.endpoints import State

_CACHING = {"Cache-Control": "no-cache"}


def constant(conninfo: str) -> Router:
    """An application that knows one answer."""
    with psycopg.connect(conninfo) as connection:
        [text] = connection.execute(plain_queries.AUTHORS).fetchone() or [""]
    body = text.encode()
    tag = entity_tag(body)

    async def authors(request: Request[State]) -> Response:
        return tagged(request, body, "application/json", tag, _CACHING)

    return Router(routes=[Address("/authors", authors)])


def alone(conninfo: str) -> Router:
    """Our application, with a query for each request for books."""

    async def books(request: Request[State]) -> Response:
        author_id = int(request.path_params["author_id"])
        body = await request.state["reader"].read(plain_queries.BOOKS_OF_AUTHOR, [author_id])
        return tagged(request, body, "application/json", entity_tag(body), _CACHING)

    app = create_app(conninfo)
    app.routes.insert(0, Address("/books/{author_id}", books))
    return app


if __name__ == "__main__":
    make = {"constant": constant, "alone": alone}[sys.argv[1]]
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=2048)
    sys.exit(serve(make(os.environ["DATABASE_URL"]), listener))
