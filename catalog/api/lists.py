"""Lists of one kind: short ones read together and shared, long ones streamed to each reader.

The query of a kind takes keys and returns rows of two columns, the place of a key among them
(from 1) and a text. First comes one row for each key: the whole list, or null for one that is too
long for that. Then come the items of those, list after list, one in a row. So the short lists
of a batch are answered before a long one begins; and whether it is long is known without asking.
"""

from __future__ import annotations

from asyncio import get_running_loop, timeout, timeout_at
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import psycopg

from catalog.api import statements
from catalog.api.batching import Batch, Batcher
from catalog.api.statements import Connection
from catalog.api.streaming import Stream, StreamBroken, Streams, TooManyStreams
from catalog.database import connection_failure

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from catalog.api.statements import Rows

Key = TypeVar("Key")
Found: TypeAlias = bytes | Stream | TooManyStreams | None
"""A list as a whole, or as a stream for who claims it first, or that it would be one too many;
nothing, if another one's is read in its place."""
Work: TypeAlias = Callable[[Connection, bool], Awaitable[None]]
"""What is done with a connection, and whether statements may be prepared on it."""

BUFFERED = 256 * 1024
"""Bytes of a list that is held as a whole; a longer one is streamed."""

_BLOCK = 64 * 1024  # bytes of a stream that are gathered and handed over, and a bit more
_LARGEST_BLOCK = 128 * 1024  # … of long items, which are handed over in pieces
_ROWS = 100  # that libpq gathers before it hands them over

# In seconds.
_SILENCE = 10.0  # of the server in the midst of a stream
_LONGEST = 3600.0  # for a stream: as long as it runs, nothing is cleaned up that it might yet see


class Lists(Generic[Key]):
    """The lists of one kind, by key."""

    def __init__(
        self,
        query: bytes,
        parameters: Callable[[Sequence[Key]], Sequence[object] | None],
        patiently: Callable[[Work], Awaitable[None]],
        streams: Streams,
        timeout: float,
    ) -> None:
        """`patiently` does its work on a connection, and again on another one if that dies.

        `timeout` is in seconds, and for each request.
        """
        self._query = query
        self._parameters = parameters
        self._patiently = patiently
        self._streams = streams
        self._batcher: Batcher[Key, Found] = Batcher(self._read, timeout)
        self._timeout = timeout
        self._loop = get_running_loop()

    async def get(self, key: Key) -> bytes | Stream:
        """A list as a whole, or one that is long as a stream, which the caller has to close.

        Raises:
            DatabaseUnavailable: There are too many streams, or too many who wait.
            TimeoutError: There is no answer in time.
            psycopg.Error: The server refuses the query.
        """
        deadline = self._loop.time() + self._timeout
        found = await self._batcher.get(key)
        while True:
            if isinstance(found, bytes):
                return found
            if isinstance(found, TooManyStreams):
                raise found
            if found and found.claim():
                return found
            read = self._read_long if found else self._read
            async with timeout_at(deadline):
                found = await self._batcher.get_alone(key, read)

    async def close(self) -> None:
        """End all that is under way."""
        await self._batcher.close()

    async def _read(self, batch: Batch[Key, Found]) -> None:
        await self._read_on(batch, self._streams.taken)

    async def _read_long(self, batch: Batch[Key, Found]) -> None:
        # Whoever will not get a stream is not to wait for a connection first.
        with self._streams.taken():
            await self._read_on(batch, nullcontext)

    async def _read_on(
        self,
        batch: Batch[Key, Found],
        place_for_stream: Callable[[], AbstractContextManager[None]],
    ) -> None:
        reading = _Reading(batch, self._query, self._parameters, place_for_stream)
        while batch.keys:
            await self._patiently(reading.read)


class _Reading(Generic[Key]):
    """A batch that is read."""

    def __init__(
        self,
        batch: Batch[Key, Found],
        query: bytes,
        parameters: Callable[[Sequence[Key]], Sequence[object] | None],
        place_for_stream: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._batch = batch
        self._query = query
        self._parameters = parameters
        self._place_for_stream = place_for_stream
        self._patience: float | None = None
        """How long to wait for rows: as long as those who wait for an answer do."""

    async def read(self, connection: Connection, prepare: bool) -> None:
        """Answer the keys that have no answer yet: all of them, unless one was given up."""
        keys = self._batch.keys
        try:
            rows = await statements.send(
                connection,
                self._query,
                self._parameters(keys),
                prepare=prepare,
                seconds=_LONGEST,
                rows_at_once=_ROWS,
            )
            async with aclosing(self._items(rows, keys)) as items:
                await self._read_long_ones(items)
        finally:
            await statements.stop(connection)

    async def _items(self, rows: Rows, keys: Sequence[Key]) -> AsyncGenerator[tuple[Key, bytes]]:
        """Answer with the lists that come as a whole; yield the others' items, many at a time."""
        whole = len(keys)
        while True:
            async with timeout(self._patience):
                result = await rows.next()
            if result is None:
                return
            found = _texts(result)
            for place, body in found[:whole]:
                if body is not None:
                    self._batch.answer(keys[int(place) - 1], body)
            items = found[whole:]
            whole -= len(found) - len(items)
            for place, group in groupby(items, itemgetter(0)):
                yield keys[int(place) - 1], b",".join([text for _, text in group])

    async def _read_long_ones(self, items: AsyncGenerator[tuple[Key, bytes]]) -> None:
        """Hold each as far as it may be held. The first that is longer becomes a stream."""
        held: tuple[Key, list[bytes], int] | None = None
        async for key, text in items:
            if held and held[0] != key:
                self._batch.answer(held[0], b"[%b]" % b",".join(held[1]))
                held = None
            if not self._batch.is_wanted(key):
                return  # all who waited for it have left; the others begin again without it
            parts, size = held[1:] if held else ([], 1)
            parts.append(text)
            held = (key, parts, size + len(text) + 1)
            if held[2] > BUFFERED:
                try:
                    with self._place_for_stream():
                        await self._stream(key, b"[" + b",".join(parts), items)
                except TooManyStreams as exc:
                    self._answer_last(key, exc)
                return
        if held:
            self._batch.answer(held[0], b"[%b]" % b",".join(held[1]))

    async def _stream(
        self, key: Key, first: bytes, items: AsyncGenerator[tuple[Key, bytes]]
    ) -> None:
        self._patience = _SILENCE
        stream = Stream(first[:_BLOCK])
        self._answer_last(key, stream)
        try:
            await _put(stream, first, _BLOCK)
            await _pass_on(key, items, stream)
        except StreamBroken as exc:
            stream.break_off(exc)
        except TimeoutError:
            stream.break_off(StreamBroken(f"the database sent nothing for {_SILENCE:g} s"))
        except psycopg.Error as exc:
            stream.break_off(StreamBroken(connection_failure(exc)))

    def _answer_last(self, key: Key, found: Found) -> None:
        self._batch.answer(key, found)
        for other in self._batch.keys:
            self._batch.answer(other, None)


async def _pass_on(key: Key, items: AsyncGenerator[tuple[Key, bytes]], stream: Stream) -> None:
    parts: list[bytes] = []
    size = 0
    async for other, text in items:
        if other != key:
            break
        parts.append(text)
        size += len(text)
        if size >= _BLOCK:
            await _put(stream, b",%b" % b",".join(parts))
            parts, size = [], 0
    await _put(stream, b",%b]" % b",".join(parts) if parts else b"]")
    await stream.end()


async def _put(stream: Stream, text: bytes, start: int = 0) -> None:
    # A reader has a while for each block, and so for each no more than anybody can take in it.
    for at in range(start, len(text), _LARGEST_BLOCK):
        await stream.put(text[at : at + _LARGEST_BLOCK])


def _texts(result: PGresult) -> list[tuple[bytes, Any]]:
    value = result.get_value
    return [(value(row, 0) or b"", value(row, 1)) for row in range(result.ntuples)]
