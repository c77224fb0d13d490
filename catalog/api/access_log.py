"""A line in the log for each request, with an id that the answer has, too.

It wraps the whole application, and is only there when it is asked for.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SANE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,64}")
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,64}")
_LONGEST = 1000  # characters of an address that a line repeats

_log = logging.getLogger("catalog.access")


class AccessLog:
    """An application that logs what is asked of it, and how that ended.

    The id of a request is the client's own `X-Request-ID`, if that is sane. It is in the answer's
    header of that name, and as `scope["request_id"]` it reaches problem documents.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        _log.setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request be answered, and log it; also one that is cut off."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope["headers"]) or secrets.token_hex(8).encode()
        scope["request_id"] = request_id.decode()
        started = time.perf_counter()
        status = "-"
        size, is_whole = 0, False

        async def send_on(message: Message) -> None:
            nonlocal status, size, is_whole
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"x-request-id", request_id)]
                message = {**message, "headers": headers}
            await send(message)
            # Counted once the client's end has taken it.
            if message["type"] == "http.response.start":
                status = str(message["status"])
            else:
                if scope["method"] != "HEAD":
                    size += len(message.get("body", b""))
                is_whole = not message.get("more_body")

        try:
            await self._app(scope, receive, send_on)
        finally:
            _log.info(
                '%s %s "%s %s HTTP/%s" %s %d B %.1f ms%s',
                scope["request_id"],
                _client(scope),
                scope["method"],
                _address(scope),
                scope["http_version"],
                status,
                size,
                (time.perf_counter() - started) * 1000,
                "" if is_whole else " (cut off)",
            )


def log_refusal(client: str, status: int, size: int) -> None:
    """Log what did not become a request, if requests are logged."""
    _log.info('- %s "-" %d %d B', client, status, size)


def _given(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == b"x-request-id":
            return value if _SANE.fullmatch(value) else None
    return None


def _client(scope: Scope) -> str:
    """Who asked, as far as a proxy says that, and not whatever else it passes on."""
    host = scope["client"][0] if scope.get("client") else ""
    return host if _HOST.fullmatch(host) else "-"


def _address(scope: Scope) -> str:
    """As it was sent: neither spaces nor control characters get this far."""
    query = scope["query_string"]
    sent = scope["raw_path"] + (b"?" + query if query else b"")
    text = sent.decode("ascii", "backslashreplace").replace('"', "%22")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
