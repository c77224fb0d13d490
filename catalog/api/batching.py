"""Reads that arrive together travel together: one query answers all who wait for one.

    batch 1   ├─ a ──────────────────┤
    a, b, c   ·    b joins the next one, and so does c
    batch 2                          ├─ b, c ─────────────────┤

A request joins the batch that is to be sent next, never one that was sent before it arrived: what
it reads is as fresh as if it had asked alone. There is no cache, and nothing to invalidate.
"""

from __future__ import annotations

from asyncio import CancelledError, Future, Task, TimerHandle, gather, get_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeAlias, TypeVar

from catalog.errors import DatabaseUnavailable

Key = TypeVar("Key")
Value = TypeVar("Value")
Read: TypeAlias = Callable[["Batch[Key, Value]"], Coroutine[Any, Any, None]]

MOST_KEYS = 100
"""… in a batch: a bound for what one query costs, and for what its failure takes along."""

MOST_BATCHES = 10
"""… in flight, of one kind: as many as the pool has connections."""

ENOUGH = 24
"""Keys with which a batch waits no longer, nor for more of them while another one could be sent:
by so many, what a query costs is well shared."""

MOST_WAITING = 2 * MOST_BATCHES * MOST_KEYS
"""Requests of one kind that wait at the same time: as many as would have room in the batches in
flight, and in as many again. Who is let in waits for three rounds of queries at the most, be the
database as slow as it may; whoever else comes is better off trying again."""

PACE = 0.002
"""Seconds between two smaller batches while the first is in flight.

Where Postgres answers sooner, there is one at a time: more would only be smaller. Where it is 20 ms
away, there are ten. And a batch that is stuck holds nobody else up for longer than this.
"""


class TooManyWaiting(DatabaseUnavailable):
    """As many requests as may wait are waiting already."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} requests wait for the database, and no more do at once",
            "try again when it has answered them",
            passing=True,
        )


class Batch(Generic[Key, Value]):
    """Keys to be read by one query, and those who wait for them."""

    def __init__(self) -> None:
        self._waiting: dict[Key, list[Future[Value]]] = {}
        self._answered: Callable[[], None] | None = None
        self._task: Task[None] | None = None

    @property
    def keys(self) -> list[Key]:
        """Those that somebody waits for, in the order in which they were first asked for."""
        return list(self._waiting)

    def is_wanted(self, key: Key) -> bool:
        """Whether somebody waits for this key."""
        return key in self._waiting

    def answer(self, key: Key, value: Value) -> None:
        """Give a key's value to everybody who waits for it."""
        for future in self._waiting.pop(key, ()):
            if not future.done():
                future.set_result(value)
        self._look_whether_answered()

    def fail(self, exc: BaseException) -> None:
        """Raise an error in everybody who still waits."""
        for future in self._give_up():
            if not future.done():
                future.set_exception(exc)

    @property
    def size(self) -> int:
        """How many keys somebody waits for."""
        return len(self._waiting)

    def join(self, key: Key, future: Future[Value]) -> None:
        """Wait for a key; only before the batch is sent."""
        self._waiting.setdefault(key, []).append(future)

    def leave(self, key: Key, future: Future[Value]) -> None:
        """Wait no longer. The others do; the last one to leave takes the query along."""
        futures = self._waiting.get(key, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._waiting[key]
            if not self._waiting:
                self.cancel()

    def send(self, read: Read[Key, Value], answered: Callable[[], None]) -> Task[None]:
        """Let it be read; `answered` is called as soon as nobody waits any more."""
        self._answered = answered
        self._task = get_running_loop().create_task(self._run(read))
        return self._task

    def cancel(self) -> None:
        """End the query, and cancel those who wait for it."""
        if self._task:
            self._task.cancel()
        for future in self._give_up():
            future.cancel()

    async def _run(self, read: Read[Key, Value]) -> None:
        try:
            await read(self)
        except Exception as exc:  # noqa: BLE001 (whatever it is, it is for those who wait)
            self.fail(exc)
        self.fail(LookupError("the query was to answer all of its keys"))  # rather than hang

    def _give_up(self) -> list[Future[Value]]:
        futures = [future for futures in self._waiting.values() for future in futures]
        self._waiting.clear()
        self._look_whether_answered()
        return futures

    def _look_whether_answered(self) -> None:
        if self._answered and not self._waiting:
            answered, self._answered = self._answered, None
            answered()


class Batcher(Generic[Key, Value]):
    """Gathers the requests for one kind of read into batches, and sends those.

    `read` is given a batch, and answers all of its keys, at once or one by one; what it raises
    goes to everybody who has no answer by then. It may go on to do other things after that.

    The first request goes at once, with those that came in the same turn of the loop. Others wait
    until the batch in flight is answered, until there are `ENOUGH` of them, or until `PACE` has
    passed. Before the first answer of all nobody knows how long one takes, and requests do not wait
    for it either: those of a busy start open the pool's connections.
    """

    def __init__(self, read: Read[Key, Value], timeout: float) -> None:
        """`timeout` is in seconds, and for each request."""
        self._read = read
        self._timeout = timeout
        # To ask for it each time is a system call before Python 3.12.
        self._loop = get_running_loop()
        self._waiting = 0
        """How many requests do."""
        self._to_send = deque[Batch[Key, Value]]()
        """Only the last one may have room."""
        self._in_flight = 0
        self._sent = 0.0
        """When the latest one was."""
        self._pace = 0.0
        self._timer: TimerHandle | None = None
        self._is_soon = False
        """Whether what may go is sent at the end of this turn."""
        self._at_work: dict[Task[None], Batch[Key, Value]] = {}

    async def get(self, key: Key) -> Value:
        """The value of a key, from a query that is sent from now on.

        Raises:
            TooManyWaiting: At once.
            TimeoutError: There is no answer in time.
            Exception: What `read` raised for this batch.
        """
        if self._waiting >= MOST_WAITING:
            raise TooManyWaiting(MOST_WAITING)
        batch = self._batch_for(key)
        future: Future[Value] = self._loop.create_future()
        batch.join(key, future)
        self._send_soon()
        self._waiting += 1
        # asyncio's own `timeout` takes thrice as long to set up, and this is done very often.
        timer = self._loop.call_later(self._timeout, _give_up, future)
        try:
            return await _wait(batch, key, future)
        finally:
            timer.cancel()
            self._waiting -= 1

    async def get_alone(self, key: Key, read: Read[Key, Value]) -> Value:
        """The value of a key, from a query that is for this caller alone, and is sent at once."""
        batch: Batch[Key, Value] = Batch()
        future: Future[Value] = self._loop.create_future()
        batch.join(key, future)
        self._send(batch, read, lambda: None)
        return await _wait(batch, key, future)

    async def close(self) -> None:
        """Cancel all that is under way, those who wait for it included."""
        if self._timer:
            self._timer.cancel()
        for batch in (*self._to_send, *self._at_work.values()):
            batch.cancel()
        await gather(*self._at_work, return_exceptions=True)

    def _batch_for(self, key: Key) -> Batch[Key, Value]:
        """The batch to join: one that is not sent yet."""
        for batch in self._to_send:
            if batch.is_wanted(key):
                return batch
        # Two are answered sooner than one that is twice as large, if they can travel side by side.
        most = ENOUGH if len(self._to_send) + self._in_flight < MOST_BATCHES else MOST_KEYS
        if not self._to_send or self._to_send[-1].size >= most:
            self._to_send.append(Batch())
        return self._to_send[-1]

    def _send_soon(self) -> None:
        """Send what may go, but what else this turn of the loop brings comes along."""
        if not self._is_soon:
            self._is_soon = True
            self._loop.call_soon(self._send_what_may_go)

    def _send_what_may_go(self) -> None:
        self._is_soon = False
        while self._to_send and self._in_flight < MOST_BATCHES:
            now = self._loop.time()
            may_wait = self._in_flight and self._to_send[0].size < ENOUGH
            wait = self._sent + self._pace - now if may_wait else 0
            if wait > 0:
                if self._timer is None:
                    self._timer = self._loop.call_later(wait, self._on_timer)
                return
            batch = self._to_send.popleft()
            if batch.keys:  # not, if all have left
                self._in_flight += 1
                self._sent = now
                self._send(batch, self._read, self._on_answer)

    def _send(
        self, batch: Batch[Key, Value], read: Read[Key, Value], answered: Callable[[], None]
    ) -> None:
        task = batch.send(read, answered)
        self._at_work[task] = batch
        task.add_done_callback(self._at_work.pop)

    def _on_timer(self) -> None:
        self._timer = None
        self._send_what_may_go()

    def _on_answer(self) -> None:
        self._in_flight -= 1
        self._pace = PACE
        self._send_soon()


async def _wait(batch: Batch[Key, Value], key: Key, future: Future[Value]) -> Value:
    try:
        return await future
    except (CancelledError, TimeoutError):
        batch.leave(key, future)
        raise


def _give_up(future: Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
