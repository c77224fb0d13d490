"""Responses that Starlette has not."""

from __future__ import annotations

import logging
from asyncio import timeout
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from catalog.api.conditional import is_unchanged
from catalog.api.streaming import STALL, ReaderStalled, StreamBroken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from catalog.api.streaming import Stream

_log = logging.getLogger(__name__)


def tagged(
    request: Request[Any], body: bytes, media_type: str, tag: str, headers: Mapping[str, str]
) -> Response:
    """The body with its tag, or only the tag for a client that has it."""
    if is_unchanged(request.scope["headers"], tag):
        return Response(None, HTTPStatus.NOT_MODIFIED, {"ETag": tag, **headers})
    return _Whole(
        body,
        [
            (b"etag", tag.encode()),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            (b"content-length", b"%d" % len(body)),
            (b"content-type", media_type.encode()),
        ],
    )


class _Whole(Response):
    """Bytes with headers as they are sent.

    Nearly every answer is one, and to let Starlette find out about its length and type is a
    fortieth of all the work for it.
    """

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = HTTPStatus.OK
        self.body = body
        self.raw_headers = headers
        self.background = None


class StreamedList(StreamingResponse):
    """A long list, as long as its reader goes on reading.

    One that breaks is cut off, with a line in the log: its last chunk is never sent, and so the
    server closes the connection. Nobody takes it for a list that is shorter. There is nothing of
    it that could be compared: no `ETag`.
    """

    media_type = "application/json"

    def __init__(self, stream: Stream, headers: Mapping[str, str]) -> None:
        super().__init__(stream, headers=headers)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or for HEAD what comes before it."""
        try:
            if scope["method"] == "HEAD":
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                await send({"type": "http.response.body"})
            else:
                await super().__call__(scope, receive, send)
        except StreamBroken as exc:
            _log.warning("a long list was cut off: %s", exc)
        finally:
            self._stream.close()

    async def stream_response(self, send: Send) -> None:
        """Send it, waiting for the reader only so long."""

        async def send_soon(message: Message) -> None:
            try:
                async with timeout(STALL):
                    await send(message)
            except TimeoutError as exc:
                raise ReaderStalled from exc

        await super().stream_response(send_soon)
