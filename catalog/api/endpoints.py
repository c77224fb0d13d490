"""From a request to its values, to a query, to a response."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, TypedDict

import psycopg
from starlette.responses import Response

from catalog.api import conditional, parameters, queries
from catalog.api.problems import not_found
from catalog.api.responses import StreamedList, tagged

if TYPE_CHECKING:
    from starlette.requests import Request

    from catalog.api.health import Readiness
    from catalog.api.parameters import Page, Search
    from catalog.api.reading import Reader
    from catalog.api.streaming import Stream

DESCRIPTION = resources.files("catalog.api").joinpath("openapi.json").read_bytes()

_CACHING = {"Cache-Control": "no-cache"}
_NOTHING_FOUND = b'\n{"authors":[],"books":[]}'


class State(TypedDict):
    """What the application holds while it runs."""

    reader: Reader
    readiness: Readiness


async def description(request: Request[State]) -> Response:
    """`GET /openapi.json`: all of this, described by hand; tests hold it to the truth."""
    return _data(request, DESCRIPTION)


async def authors(request: Request[State]) -> Response:
    """`GET /authors`: all of them, by id, or a page."""
    page = parameters.page(request.scope["query_string"])
    reader = request.state["reader"]
    if page is None:
        return _list(request, await reader.authors())
    values = [page.limit, page.after, page.limit + 1]
    return _page(request, page, await reader.read(queries.PAGE_OF_AUTHORS, values))


async def author(request: Request[State]) -> Response:
    """`GET /authors/{author_id}`: one of them, as in the list."""
    author_id = parameters.author_id(request.path_params["author_id"])
    parameters.none(request.scope["query_string"])
    body = b""
    if author_id is not None:
        body = await request.state["reader"].read(queries.AUTHOR, [author_id])
    if not body:
        return not_found(request, "There is no author with this id.")
    return _data(request, body)


async def books_of_author(request: Request[State]) -> Response:
    """`GET /books/{author_id}`: an author's books, by id, or a page; none for who is not there."""
    author_id = parameters.author_id(request.path_params["author_id"])
    page = parameters.page(request.scope["query_string"])
    reader = request.state["reader"]
    if author_id is None:
        return _data(request, b"[]")
    if page is None:
        return _list(request, await reader.books_of_author(author_id))
    values = [page.limit, author_id, page.after, page.limit + 1]
    return _page(request, page, await reader.read(queries.PAGE_OF_BOOKS, values))


async def search(request: Request[State]) -> Response:
    """`GET /search`: the authors and books in whose names and titles all words are."""
    wanted = parameters.search(request.scope["query_string"])
    values = [
        value
        for cursor in wanted.cursors
        for value in (wanted.limit, wanted.text, cursor, wanted.limit + 1)
    ]
    try:
        found = await request.state["reader"].read(queries.SEARCH, values)
    except psycopg.errors.UntranslatableCharacter:
        # A database in another encoding than UTF-8 cannot hold it, so nobody there is named so.
        found = _NOTHING_FOUND
    return _page(request, wanted, found)


def _list(request: Request[State], found: bytes | Stream) -> Response:
    """A list that came as a whole, or one that is too long for that, and so for a tag."""
    if isinstance(found, bytes):
        return _data(request, found)
    if conditional.is_unchanged(request.scope["headers"]):
        found.close()
        return Response(None, HTTPStatus.NOT_MODIFIED, _CACHING)
    return StreamedList(found, _CACHING)


def _page(request: Request[State], page: Page | Search, value: bytes) -> Response:
    """The answer to a query for a page: its first line leads to the next one, if there is one."""
    last, _, body = value.partition(b"\n")
    return _data(request, body, page.next(last) if last else "")


def _data(request: Request[State], body: bytes, link: str = "") -> Response:
    """The data with its tag, and the link that goes with it."""
    tag = conditional.entity_tag(body, link)
    headers = {**_CACHING, "Link": f'<{link}>; rel="next"'} if link else _CACHING
    return tagged(request, body, "application/json", tag, headers)
