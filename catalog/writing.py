"""Answers that go out in one piece.

uvicorn writes the head of an answer and then its body, and uvloop passes on each write as it comes:
two system calls, and a client that wakes up for a head without a body.
"""

from __future__ import annotations

from asyncio import Transport, get_running_loop
from typing import Any


class Gathering:
    """A transport that passes on as one what is written to it in one turn of the loop."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._loop = get_running_loop()
        self._pieces: list[bytes] = []
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Pass it on at the end of this turn."""
        if not self._pieces:
            self._loop.call_soon(self._pass_on)
        self._pieces.append(data)

    def write_eof(self) -> None:
        """Close this end after what was written."""
        self._pass_on()
        self._transport.write_eof()

    def close(self) -> None:
        """Close after what was written."""
        self._pass_on()
        self._transport.close()

    def _pass_on(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self.is_closing():
            self._transport.write(b"".join(pieces))
