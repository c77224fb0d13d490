"""Errors turned into problem documents (RFC 9457), each kind in one place.

What went wrong inside is for the log: `reading` writes there what makes a 503, the server that
runs the application what makes a 500. An answer holds nothing but what its client can use.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import psycopg
from starlette.responses import Response

from catalog.api.batching import TooManyWaiting
from catalog.api.parameters import Refused
from catalog.api.streaming import TooManyStreams
from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

RETRY_AFTER = 1  # seconds; a database that restarts or wakes up is back within a few

NO_ANSWER = "The database does not answer at the moment."

FORESEEN = (Refused, DatabaseUnavailable, psycopg.errors.UndefinedTable)
"""The errors in which a request may end, and for which there is an answer."""


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


def not_found(request: Request[Any], detail: str = "There is nothing at this address.") -> Response:
    """The answer to a request for what is not there."""
    return problem(request, HTTPStatus.NOT_FOUND, detail)


def method_not_allowed(request: Request[Any], headers: Mapping[str, str]) -> Response:
    """The answer to a request to do something else than read."""
    detail = "This address does not take that method."
    return problem(request, HTTPStatus.METHOD_NOT_ALLOWED, detail, headers)


def unforeseen(request: Request[Any]) -> Response:
    """The answer to a request that failed for a reason that is none of the client's."""
    # The server hangs up; told so, the client does not send its next request into the void.
    detail, headers = "Something went wrong here.", {"Connection": "close"}
    return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail, headers)


def answer(request: Request[Any], exc: Exception) -> Response:
    """The answer to a request that ended in one of the errors that are `FORESEEN`."""
    match exc:
        case Refused():
            return problem(request, HTTPStatus.BAD_REQUEST, str(exc))
        case TooManyStreams():
            return try_again(request, "Too many long lists are being read; try again.")
        case TooManyWaiting():
            return try_again(request, "More is asked than can be answered; try again.")
        case DatabaseUnavailable():
            return try_again(request, NO_ANSWER)
        case _:
            return try_again(request, "The catalog's tables are not there yet.")
