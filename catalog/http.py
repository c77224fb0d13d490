"""How the service meets its clients: uvicorn, with bounds for what they send, and an orderly end.

httptools, which reads the requests, takes headers of any size and waits for them for ever. Here a
head has 64 KB and ten seconds; who exceeds that is told so, and one who never sends any hears
nothing. Nothing of it costs a request that came in one piece.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from catalog.api.access_log import log_refusal
from catalog.api.problems import document
from catalog.writing import Gathering

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

LARGEST_HEAD = 64 * 1024
"""Bytes of the request line and the headers together."""

_LARGEST_BODY = 256 * 1024
"""Bytes of a body, which nobody reads, and its trailers, which are kept as headers are."""

# All in seconds.
HEAD_TIME = 10.0  # for a head to come, once its connection is there or its first byte
KEEP_ALIVE = 75  # between two requests; longer than the minute that proxies keep connections for
LAST_CALL = 0.3  # from a signal to the end of idle connections: what is on its way is answered
GRACE = 7  # for what is under way then; a request that waits for the database has five
_FAREWELL = 2.0  # for a refused client to take the answer before its connection is gone

_TOO_LARGE = f"The head of the request has more than {LARGEST_HEAD} bytes"
_DETAILS = {
    HTTPStatus.BAD_REQUEST: "This is not a request in HTTP/1.1.",
    HTTPStatus.REQUEST_TIMEOUT: f"The request did not come within {HEAD_TIME:g} s.",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"{_TOO_LARGE}, most of them its address.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"{_TOO_LARGE}.",
}

_log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn, set up for the service; ends without dropping a request whose line it has read."""

    def __init__(self, app: ASGIApp, *, behind_proxy: bool = False) -> None:
        """`behind_proxy` believes a proxy on this machine about who the client is."""
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            proxy_headers=behind_proxy,
            headers=[("X-Content-Type-Options", "nosniff")],
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE + 1,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, answer what is on its way, and close each after its answer.

        What is still under way after `GRACE` is cut off, so that nobody takes it for whole.
        """
        state, loop = self.server_state, asyncio.get_running_loop()
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.01)  # what was accepted just now becomes a connection
        if state.connections:
            await asyncio.sleep(LAST_CALL)
        cutting = loop.call_later(GRACE, self._cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    def _cut_off(self) -> None:
        connections = [each for each in self.server_state.connections if isinstance(each, Protocol)]
        if busy := sum(each.is_busy for each in connections):
            _log.warning("requests that are cut off, after %g s: %d", GRACE, busy)
        for connection in connections:
            connection.transport.abort()


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = 0
        """Bytes that have come of a head that is not complete."""
        self._body = 0
        """Bytes that have come after the head of the latest request."""
        self._due: float | None = None
        """When a head has to be complete, while one is awaited."""
        self._refused = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return not getattr(self.cycle, "response_complete", True)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(Gathering(transport))  # type: ignore[arg-type]
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Read it, no further than a head may reach."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        if not self._head and len(data) < LARGEST_HEAD:
            self._read(data)
        else:
            while data and not self._refused:
                room = LARGEST_HEAD - self._head
                self._read(data[:room])
                data = data[room:]
        if self.is_busy:
            self._due = None
        elif not self._refused:
            self._await_head()

    def eof_received(self) -> None:
        """Close, after what was written: who half-closes gets an answer that is there already."""
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer, however it was lost."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing has come in time, and tell those who began."""
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """Close, after the answer to what has come or begun to come."""
        if self.is_busy or not self._in_head:
            super().shutdown()

    @property
    def _in_head(self) -> bool:
        # Each head begins a scope, and becomes a cycle with it when it is complete.
        return self.scope is not getattr(self.cycle, "scope", None)

    def _read(self, data: bytes) -> None:
        before = self.cycle
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as exc:
                    # Nothing is offered to change to: what follows is the next request.
                    data = data[exc.args[0] :]
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if not self._in_head:
            self._head = 0
            self._body = self._body + len(data) if self.cycle is before else 0
            if self._body > _LARGEST_BODY:
                self._hang_up()
        elif self.cycle is before:
            self._head += len(data)
            if self._head >= LARGEST_HEAD:
                self._refuse(
                    HTTPStatus.REQUEST_URI_TOO_LONG
                    if len(self.url) > LARGEST_HEAD / 2
                    else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                )
        else:
            self._head = 1  # it began somewhere in this packet, behind another request

    def _await_head(self) -> None:
        if self._due is None:
            self._due = self.loop.time() + HEAD_TIME
        self.timeout_keep_alive_task = self.loop.call_at(self._due, self.timeout_keep_alive_handler)

    def _refuse(self, status: HTTPStatus) -> None:
        """Take nothing more, answer, and close once the client has had time to see that.

        To close while it still sends would be a reset, which takes the answer away from it.
        """
        if not self.is_busy:  # the answers under way come first, and nothing after
            self._answer(status)
        self._hang_up()

    def _answer(self, status: HTTPStatus) -> None:
        body = document(status, _DETAILS[status])
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
        ]
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
        lines += [b"%b: %b" % header for header in headers if header[0] != b"connection"]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", body]))
        log_refusal(self.client[0] if self.client else "-", status, len(body))

    def _hang_up(self) -> None:
        """Take nothing more, and close after the answers under way, or once the last was seen."""
        self._refused = True
        if self.is_busy:
            self.cycle.keep_alive = False
        else:
            self.transport.write_eof()
            self.timeout_keep_alive_task = self.loop.call_later(_FAREWELL, self.transport.close)
