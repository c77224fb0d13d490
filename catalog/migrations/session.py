"""A run's connections: one that works, and one that holds the lock and watches.

Both can break. What was sent on a broken one may still have happened, or be happening; a session
is made whole again by connecting anew and waiting until nothing of the old one is under way.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.pq import TransactionStatus

from catalog.database import Reply, connect, send
from catalog.errors import PoolTooSmall
from catalog.migrations.events import Noticed, Waiting
from catalog.migrations.lock import RunnerLock, wait_for_work
from catalog.migrations.watch import FIRST_LOOK, Watcher, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from catalog.errors import Blocked
    from catalog.migrations.events import Event

_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_STARVED = 3.0  # seconds without a server process, until a pooler is taken to have none


@dataclass(frozen=True)
class Target:
    """The database to work on."""

    conninfo: str
    origin: str
    """Where the connection string was set, in words."""
    place: str
    """What it leads to, in words."""


class Session:
    """The connections of one run, as long as it is entered."""

    def __init__(self, target: Target, *, wait: float, tell: Callable[[Event], None]) -> None:
        self.target = target
        self.wait = wait
        self.tell = tell
        # Unique, so that what is left of a killed run can be told from everything else.
        self.run = f"catalog-migrate-{uuid.uuid4().hex[:8]}"
        self._open = ExitStack()
        self._lock: RunnerLock | None = None
        self._watcher: Watcher | None = None
        self._key = ""

    def __enter__(self) -> Session:
        self.work = self._connect(self.run, self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def locked(self, key: str, *, pooled: bool) -> Iterator[None]:
        """Be the only runner on the ledger of that key.

        Raises:
            RunnerBusy: Another one was, for as long as we were to wait.
        """
        self._key = key
        lock = RunnerLock(
            lambda stack: self._connect(f"{self.run} (lock)", stack),
            key,
            pooled=pooled,
            wait=self.wait,
            on_wait=lambda holder: self.tell(Waiting(f"another runner: {holder}")),
        )
        with lock, ExitStack() as watching:
            self._lock = lock
            self._watcher = watching.enter_context(
                Watcher(
                    lambda: self._connect(f"{self.run} (watch)", watching, patient=False),
                    self.run,
                    tell=self.tell,
                )
            )
            try:
                yield
            finally:
                self._watcher = self._lock = None

    def send(
        self, message: str, *, script: str = "", look: float = FIRST_LOOK
    ) -> tuple[Reply, Blocked | None]:
        """Send a message on the working connection, watched once `look` seconds have passed.

        Returns the reply, and whom the message had to wait for on the way.
        """
        if self._watcher is None:
            return send(self.work, message), None
        with self._watcher.watching(script, look) as watched:
            reply = send(self.work, message)
        return reply, watched.blocked

    def send_first(self, message: str) -> Reply:
        """Send the first message under the lock, for which a pooler needs another server.

        Raises:
            PoolTooSmall: It has none.
        """
        lock = self._lock
        if lock is None or not lock.pooled:
            return send(self.work, message)
        starved = []

        def look() -> None:
            if send(lock.connection, _processes(self.run)).rows() == [("0",)]:
                starved.append(True)
                cut(self.work)

        timer = threading.Timer(_STARVED, look)
        timer.start()
        try:
            reply = send(self.work, message)
        finally:
            timer.cancel()
            timer.join()
        if starved:
            raise PoolTooSmall
        return reply

    def roll_back(self) -> None:
        """End the transaction that a failure left open, if it left one."""
        if self.work.pgconn.transaction_status in _IN_TRANSACTION:
            send(self.work, "ROLLBACK")

    def stop(self, *, patience: float) -> None:
        """Cancel what runs on the working connection, and wait until it has ended.

        Raises:
            DatabaseUnavailable, RunnerBusy, psycopg.Error: It has not, after so many seconds.
        """
        self.wait = min(self.wait, patience)
        if self.work.pgconn.transaction_status == TransactionStatus.ACTIVE:
            self.work.cancel_safe(timeout=patience)
            self.work.close()
        self.recover()

    def recover(self) -> None:
        """Replace what is broken, and wait until nothing of the old connection is under way.

        Raises:
            DatabaseUnavailable, RunnerBusy: That took longer than we were to wait.
        """
        self.roll_back()
        if self.work.closed or send(self.work, "SELECT").lost:
            self.work.close()
            self.work = self._connect(self.run, self._open)
        if self._lock:
            self._lock.renew()
        self.wait_for_work()

    def wait_for_work(self) -> None:
        """Wait until no transaction of an earlier runner is under way.

        Raises:
            RunnerBusy: One was for as long as we were to wait.
        """
        wait_for_work(
            self.work,
            self._key,
            wait=self.wait,
            on_wait=lambda holder: self.tell(Waiting(f"what an earlier run left: {holder}")),
        )

    def _connect(self, name: str, stack: ExitStack, *, patient: bool = True) -> psycopg.Connection:
        place = self.target.place
        connection = connect(
            self.target.conninfo,
            origin=self.target.origin,
            place=place,
            application_name=name,
            wait=self.wait if patient else 0,
            on_wait=lambda cause: self.tell(Waiting(f"{place}: {cause}")),
        )
        stack.callback(connection.close)
        connection.add_notice_handler(self._notice)
        return connection

    def _notice(self, diag: psycopg.errors.Diagnostic) -> None:
        self.tell(Noticed(diag.severity or "", _said(diag)))


def _said(diag: psycopg.errors.Diagnostic) -> str:
    parts = (diag.message_primary, diag.message_detail, diag.message_hint)
    return "\n".join(filter(None, parts))


def _processes(run: str) -> str:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = {run};"
    return sql.SQL(query).format(run=sql.Literal(run)).as_string()
