"""One runner at a time, on one database and one ledger.

There are two advisory locks, both of transactions, since locks of sessions leak through a
transaction pooler. The *runner's* lock is held by a connection of its own, idle in a
transaction, for the whole of a command. The *work* lock is taken by every migration's own
transaction: when a runner is killed, its server process may work on for minutes, and this lock
lives as long as that.

Both are tried and never waited for in the server: a waiting statement holds a snapshot, and
`CREATE INDEX CONCURRENTLY` waits for all older snapshots, so that the two would deadlock. For
the same reason the tries go by the simple query protocol: the extended one keeps a portal, and
with it a snapshot, open in the idle transaction (measured; see the tests).
"""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Self

from psycopg import sql

from catalog.database import send
from catalog.errors import RunnerBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

_LONGEST_PAUSE = 1.0  # seconds between two tries

# A server may end transactions that idle or last long; this one does both, on purpose. It should
# notice within half a minute when our machine or the way to it is gone, and free the lock.
_TRY = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL tcp_keepalives_idle = 10;
    SET LOCAL tcp_keepalives_interval = 5;
    SET LOCAL tcp_keepalives_count = 3;
    SET LOCAL tcp_user_timeout = 30000;
    SELECT pg_try_advisory_xact_lock({space}, {key});
"""
_NO_TRANSACTION_TIMEOUT = "SET LOCAL transaction_timeout = 0;"
_HAS_TRANSACTION_TIMEOUT = 170000  # Postgres 17

_GIVE_UP = """
    ROLLBACK;
    SELECT activity.pid, activity.application_name, to_char(activity.xact_start, 'HH24:MI:SS TZ')
      FROM pg_locks AS lock
      JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
     WHERE lock.locktype = 'advisory' AND lock.granted
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND lock.classid = {space} AND lock.objid = {key} AND lock.objsubid = 2;
"""

# Divides by zero if the lock is not to be had: no function is made for it, and a DO block
# would have to be compiled every time.
_GUARD = "SELECT 1 / pg_try_advisory_xact_lock({space}, {key})::integer;\n"
DIVISION_BY_ZERO = "22012"


def _number(text: str) -> int:
    # 31 bits: pg_locks shows keys without a sign.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


_RUNNER = _number("catalog migrations: runner")
_WORK = _number("catalog migrations: work")


class WorkUnderWay(Exception):
    """Another runner is at this work, or has just done it; the ledger will tell."""


class RunnerLock:
    """The runner's lock on one ledger, and the connection that holds it."""

    def __init__(
        self,
        connect: Callable[[ExitStack], psycopg.Connection],
        ledger: str,
        *,
        pooled: bool,
        wait: float,
        on_wait: Callable[[str], None],
    ) -> None:
        """`connect` opens the connection; `on_wait` is told of every holder that is waited for."""
        self._connect = connect
        self._ledger = ledger
        self.pooled = pooled
        self._wait = wait
        self._on_wait = on_wait
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Take it, or wait for another one to let go of it.

        Raises:
            RunnerBusy: Another runner held it all the time that we were to wait.
        """
        self.connection = self._connect(self._held)
        try:
            _poll(self.connection, _RUNNER, self._ledger, wait=self._wait, on_wait=self._on_wait)
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Closing ends the transaction as well; a pooler would throw its server connection away.
        if self.pooled and not self.connection.closed:
            send(self.connection, "ROLLBACK")
        self._held.close()

    def renew(self) -> None:
        """Take it again, if the connection that held it is broken."""
        if self.connection.closed or send(self.connection, "SELECT").error:
            self._held.close()
            self.__enter__()


def wait_for_work(
    connection: psycopg.Connection, ledger: str, *, wait: float, on_wait: Callable[[str], None]
) -> None:
    """Wait until no transaction of an earlier runner is under way any more.

    Raises:
        RunnerBusy: One was, for `wait` seconds.
    """
    _poll(connection, _WORK, ledger, wait=wait, on_wait=on_wait)
    send(connection, "ROLLBACK")


def work_guard(ledger: str) -> str:
    """A statement for the head of a migration's transaction: takes the work lock, or fails.

    It fails with `DIVISION_BY_ZERO`, before anything was changed.
    """
    return _keyed(_GUARD, _WORK, ledger)


def _poll(
    connection: psycopg.Connection,
    space: int,
    ledger: str,
    *,
    wait: float,
    on_wait: Callable[[str], None],
) -> None:
    deadline = time.monotonic() + wait
    pause, told = 0.05, ""
    attempt = _keyed(_TRY, space, ledger)
    if connection.info.server_version >= _HAS_TRANSACTION_TIMEOUT:
        attempt = attempt.replace("SELECT", f"{_NO_TRANSACTION_TIMEOUT}\n    SELECT")
    while send(connection, attempt).rows() != [("t",)]:
        holders = send(connection, _keyed(_GIVE_UP, space, ledger)).rows()
        holder = ", ".join(f"process {pid} ({name}), since {since}" for pid, name, since in holders)
        if holder not in ("", told):
            on_wait(holder)
            told = holder
        if time.monotonic() >= deadline:
            raise RunnerBusy(holder or told or "unknown", wait)
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


@cache
def _keyed(statement: str, space: int, ledger: str) -> str:
    values = {"space": sql.Literal(space), "key": sql.Literal(_number(ledger))}
    return sql.SQL(statement).format(**values).as_string()
