"""Errors turned into problem documents (RFC 9457), each kind in one place.

What went wrong inside is for the log: `reading` writes there what makes a 503, the server that
runs the application what makes a 500. An answer holds nothing but what its client can use.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

import psycopg
from starlette.exceptions import HTTPException
from starlette.responses import Response

from catalog.api.parameters import Refused
from catalog.api.streaming import TooManyStreams
from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

RETRY_AFTER = 1  # seconds; a database that restarts or wakes up is back within a few

_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem document without a type of its own: the status says it all."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers, media_type="application/problem+json")


async def _refused(_: Request, exc: Exception) -> Response:
    # Raised by an endpoint with a detail of its own, or by Starlette's routing without one.
    assert isinstance(exc, HTTPException)  # noqa: S101
    status = HTTPStatus(exc.status_code)
    detail = exc.detail if exc.detail != status.phrase else _DETAILS.get(status, status.description)
    return problem(status, detail, exc.headers)


async def _meaningless(_: Request, exc: Exception) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, str(exc))


async def _unavailable(_: Request, _exc: Exception) -> Response:
    return _try_again("The database does not answer at the moment.")


async def _too_many(_: Request, _exc: Exception) -> Response:
    return _try_again("Too many long lists are being read; try again.")


async def _not_migrated(_: Request, _exc: Exception) -> Response:
    return _try_again("The catalog's tables are not there yet.")


async def _unforeseen(_: Request, _exc: Exception) -> Response:
    # The exception goes on to the server, which logs it with its traceback and hangs up; told so,
    # the client does not send its next request into the void.
    headers = {"Connection": "close"}
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here.", headers)


def _try_again(detail: str) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: _refused,
    Refused: _meaningless,
    DatabaseUnavailable: _unavailable,
    TooManyStreams: _too_many,
    psycopg.errors.UndefinedTable: _not_migrated,
    Exception: _unforeseen,
}
