"""From a request to its values, to a query, to a response."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, TypedDict

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from catalog.api import queries

if TYPE_CHECKING:
    from starlette.requests import Request

    from catalog.api.reading import Reader

GREETING = "Hello World! This is a book catalog."

_ID = re.compile(r"-?[0-9]+", re.ASCII)
_LARGEST_ID = 2**31 - 1  # Postgres' integer


class State(TypedDict):
    """What the application holds while it runs."""

    reader: Reader


async def greeting(_: Request[State]) -> Response:
    """`GET /`: who is there."""
    return PlainTextResponse(GREETING)


async def authors(request: Request[State]) -> Response:
    """`GET /authors`: all of them, by id."""
    return _json(await request.state["reader"].read(queries.AUTHORS))


async def books_of_author(request: Request[State]) -> Response:
    """`GET /books/{author_id}`: an author's books, by id; none for one who is not there."""
    author_id = _author_id(request.path_params["author_id"])
    if author_id is None:
        return _json(b"[]")
    return _json(await request.state["reader"].read(queries.BOOKS_OF_AUTHOR, [author_id]))


def _author_id(text: str) -> int | None:
    """The id, or `None` for one that no row can have.

    Raises:
        HTTPException: It is not a whole number.
    """
    if not _ID.fullmatch(text):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "An author's id is a whole number.")
    # int() refuses thousands of digits, leading zeros among them.
    digits = text.removeprefix("-").lstrip("0")
    if len(digits) > len(str(_LARGEST_ID)):
        return None
    author_id = int(digits or "0") * (-1 if text.startswith("-") else 1)
    return author_id if -_LARGEST_ID - 1 <= author_id <= _LARGEST_ID else None


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
