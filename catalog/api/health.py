"""Whether the service lives, and whether it is ready: for those who restart it or send it clients.

Probes come every few seconds and for ever, so what they cost is bounded: they share an answer that
is a few seconds old, and where nobody but they asks anything, the database may sleep.
"""

from __future__ import annotations

import threading
import time
from asyncio import Task, create_task, wait, wrap_future
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from starlette.responses import PlainTextResponse

from catalog.api.problems import NO_ANSWER, try_again
from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from catalog.api.endpoints import State
    from catalog.api.reading import Reader

Value = TypeVar("Value")
Pending: TypeAlias = "Callable[[], int | None]"
"""Says how many migrations are pending, or `None` if that cannot be told. It may block."""

# All in seconds.
FRESH = 3.0  # for an answer to be given again
PATIENCE = 2.0  # for a probe to get an answer; most give up after one to ten
QUIET = 60.0  # without a read, after which readiness is not looked into any more

_NOT_STORED = {"Cache-Control": "no-store"}


async def livez(_: Request[State]) -> Response:
    """`GET /livez`: answers, and thereby says that the process does. Asks nobody."""
    return PlainTextResponse("alive", headers=_NOT_STORED)


async def readyz(request: Request[State]) -> Response:
    """`GET /readyz`: whether requests can be served, or 503 with the reason why not."""
    if obstacle := await request.state["readiness"].obstacle():
        return try_again(request, obstacle)
    return PlainTextResponse("ready", headers=_NOT_STORED)


class Readiness:
    """Whether requests can be served: the pool has a connection, and no migration is pending.

    Nobody sends clients to a service that is not ready, so one that is quiet for that reason has
    to look whether it is ready again. One that was ready when it became quiet has not.
    """

    def __init__(self, reader: Reader, pending: Pending | None) -> None:
        self._reader = reader
        self._pending = pending
        self._known: str | None = None
        """What stood in the way when it was last looked into."""
        self._looked: float | None = None
        self._looking: Task[None] | None = None
        self._reads = 0
        self._last_read = time.monotonic()

    def close(self) -> None:
        """Look no further."""
        if self._looking:
            self._looking.cancel()

    async def obstacle(self) -> str | None:
        """What stands in the way of being ready, in a sentence; `None` for nothing."""
        if self._looking is None and self._is_due():
            self._looking = create_task(self._look())
        if looking := self._looking:
            await wait({looking}, timeout=PATIENCE)
            if not looking.done():
                return NO_ANSWER
            looking.result()
        return self._known

    def _is_due(self) -> bool:
        now = time.monotonic()
        if self._reader.reads != self._reads:
            self._reads = self._reader.reads
            self._last_read = now
        if self._looked is None:
            return True
        is_quiet = now - self._last_read >= QUIET
        return now - self._looked >= FRESH and (self._known is not None or not is_quiet)

    async def _look(self) -> None:
        try:
            self._known = await self._find()
        finally:
            self._reads = self._reader.reads  # this was none that a client wanted
            self._looked = time.monotonic()
            self._looking = None

    async def _find(self) -> str | None:
        if not await self._reads_are_answered():
            return NO_ANSWER
        count = await _in_thread(self._pending) if self._pending else None
        return f"Migrations are pending: {count}." if count else None

    async def _reads_are_answered(self) -> bool:
        """Whether this look's own read is, or others have been while it stood in their queue.

        Who serves what it can is not to lose its clients to the others, who have as many.
        """
        before = self._reader.answered
        asking = create_task(self._reader.ready())
        try:
            await wait({asking}, timeout=PATIENCE / 2)
            if asking.done() or self._reader.answered == before:
                await asking
        except DatabaseUnavailable:
            return self._reader.answered > before
        finally:
            asking.cancel()
        return True


async def _in_thread(call: Callable[[], Value]) -> Value:
    """What a call that blocks returns. Nobody waits for the thread when the service ends."""
    outcome: Future[Value] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as exc:  # noqa: BLE001 (whatever it is, it is for who waits)
            outcome.set_exception(exc)

    threading.Thread(target=run, name="pending", daemon=True).start()
    return await wrap_future(outcome)
