"""A list that is too long to be held: it passes through, block by block, at its reader's pace."""

from __future__ import annotations

from asyncio import Queue, Task, current_task, timeout
from contextlib import contextmanager
from typing import TYPE_CHECKING

from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

MOST_STREAMS = 8
"""… at once. Each has a connection of the pool to itself; two are left for all other reads, which
is enough for them, as they share."""

STALL = 10.0
"""Seconds that a reader may take for a block. Those are of 64 KB, as is what a server buffers: this
is for those who stop reading, and not for slow lines."""


class StreamBroken(Exception):
    """A list ends too soon; says why, in words for the log."""


class ReaderStalled(StreamBroken):
    """Its reader stopped reading."""

    def __init__(self) -> None:
        super().__init__(f"its reader took nothing for {STALL:g} s")


class TooManyStreams(DatabaseUnavailable):
    """As many long lists as may be are being read already."""

    def __init__(self) -> None:
        super().__init__(
            f"{MOST_STREAMS} long lists are being read, and no more are at once",
            "try again when one has ended",
            passing=True,
        )


class Streams:
    """How many there are at the moment."""

    def __init__(self) -> None:
        self._count = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count one more, until the end of the block.

        Raises:
            TooManyStreams: There are as many as may be.
        """
        if self._count >= MOST_STREAMS:
            raise TooManyStreams
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class Stream:
    """The blocks of one long list, on their way from the task that reads it to its one reader.

    There is no more than one block in between, so that nothing piles up for a slow reader.
    """

    def __init__(self, first: bytes) -> None:
        self._blocks: Queue[bytes | StreamBroken | None] = Queue(maxsize=1)
        self._blocks.put_nowait(first)
        self._source: Task[Any] | None = current_task()
        self._claimed = False

    def claim(self) -> bool:
        """Become its reader; only the first one to ask does."""
        claimed, self._claimed = self._claimed, True
        return not claimed

    async def put(self, block: bytes) -> None:
        """Hand the next block over, once the one before it was taken.

        Raises:
            ReaderStalled: It was not, for as long as `STALL`.
        """
        await self._put(block)

    async def end(self) -> None:
        """Say that there are no more.

        Raises:
            ReaderStalled: The last block was not taken, for as long as `STALL`.
        """
        await self._put(None)
        self._source = None

    def break_off(self, exc: StreamBroken) -> None:
        """Say that there is no more to be had, in place of what was not taken."""
        if not self._blocks.empty():
            self._blocks.get_nowait()
        self._blocks.put_nowait(exc)
        self._source = None

    def close(self) -> None:
        """Read no more of it: ends the query, if that still runs."""
        if self._source:
            self._source.cancel()
            self._source = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the blocks; put together they are the list.

        Raises:
            StreamBroken: There is no telling what else there would be.
        """
        try:
            while (block := await self._blocks.get()) is not None:
                if isinstance(block, StreamBroken):
                    raise block
                yield block
        finally:
            self.close()

    async def _put(self, block: bytes | None) -> None:
        try:
            async with timeout(STALL):
                await self._blocks.put(block)
        except TimeoutError as exc:
            raise ReaderStalled from exc
