"""Errors turned into problem documents (RFC 9457), each kind in one place.

What went wrong inside is for the log: `reading` writes there what makes a 503, the server that
runs the application what makes a 500. An answer holds nothing but what its client can use.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import psycopg
from starlette.exceptions import HTTPException
from starlette.responses import Response

from catalog.api.batching import TooManyWaiting
from catalog.api.parameters import Refused
from catalog.api.streaming import TooManyStreams
from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

RETRY_AFTER = 1  # seconds; a database that restarts or wakes up is back within a few

NO_ANSWER = "The database does not answer at the moment."

_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
}


def document(status: int, detail: str, request_id: str | None = None) -> bytes:
    """A problem document without a type of its own: the status says it all."""
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if request_id is not None:
        members["requestId"] = request_id
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def problem(
    request: Request[Any], status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that cannot be met; with its id, if requests have one."""
    body = document(status, detail, request.scope.get("request_id"))
    return Response(body, status, headers, media_type="application/problem+json")


def try_again(request: Request[Any], detail: str) -> Response:
    """The answer to a request that can be met in a moment."""
    headers = {"Retry-After": str(RETRY_AFTER)}
    return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)


async def _refused(request: Request, exc: Exception) -> Response:
    # Raised by an endpoint with a detail of its own, or by Starlette's routing without one.
    assert isinstance(exc, HTTPException)  # noqa: S101
    status = HTTPStatus(exc.status_code)
    detail = exc.detail if exc.detail != status.phrase else _DETAILS.get(status, status.description)
    return problem(request, status, detail, exc.headers)


async def _meaningless(request: Request, exc: Exception) -> Response:
    return problem(request, HTTPStatus.BAD_REQUEST, str(exc))


async def _unavailable(request: Request, _exc: Exception) -> Response:
    return try_again(request, NO_ANSWER)


async def _too_many(request: Request, _exc: Exception) -> Response:
    return try_again(request, "Too many long lists are being read; try again.")


async def _overloaded(request: Request, _exc: Exception) -> Response:
    return try_again(request, "More is asked than can be answered; try again.")


async def _not_migrated(request: Request, _exc: Exception) -> Response:
    return try_again(request, "The catalog's tables are not there yet.")


async def _unforeseen(request: Request, _exc: Exception) -> Response:
    # The exception goes on to the server, which logs it with its traceback and hangs up; told so,
    # the client does not send its next request into the void.
    detail, headers = "Something went wrong here.", {"Connection": "close"}
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail, headers)


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: _refused,
    Refused: _meaningless,
    DatabaseUnavailable: _unavailable,
    TooManyStreams: _too_many,
    TooManyWaiting: _overloaded,
    psycopg.errors.UndefinedTable: _not_migrated,
    Exception: _unforeseen,
}
