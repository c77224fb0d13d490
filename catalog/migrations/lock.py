"""One runner at a time, on one database and one ledger.

There are two advisory locks, both of transactions, since locks of sessions leak through a
transaction pooler. The *runner's* lock is held by a second connection, idle in a transaction,
for the whole of a command. The *work* lock is taken by every migration's own transaction: when
a runner is killed, its server process may work on for minutes, and this one lives as long as it.

Both are tried and never waited for in the server: a waiting statement holds a snapshot, and
`CREATE INDEX CONCURRENTLY` waits for all older snapshots, so that the two would deadlock. For
the same reason the tries go by the simple query protocol: the extended one keeps a portal, and
with it a snapshot, open in the idle transaction (measured; see the tests).
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import send
from catalog.errors import RunnerBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

_LONGEST_PAUSE = 1.0  # seconds between two tries

# A server may end transactions that idle or last; this one does both, on purpose.
_TRY = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT set_config(name, '0', true)
      FROM pg_settings
     WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout');
    SELECT pg_try_advisory_xact_lock({space}, {key});
"""

_GIVE_UP = """
    ROLLBACK;
    SELECT activity.pid, activity.application_name, to_char(activity.xact_start, 'HH24:MI:SS TZ')
      FROM pg_locks AS lock
      JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
     WHERE lock.locktype = 'advisory' AND lock.granted
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND lock.classid = {space} AND lock.objid = {key} AND lock.objsubid = 2;
"""

_GUARD = "DO {body};"
_GUARD_BODY = """
BEGIN
    IF NOT pg_try_advisory_xact_lock({space}, {key}) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'lock_not_available',
            MESSAGE = 'the work of an earlier runner is still under way';
    END IF;
END
"""


def _number(text: str) -> int:
    # 31 bits: pg_locks shows keys without a sign.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


_RUNNER = _number("catalog migrations: runner")
_WORK = _number("catalog migrations: work")


@contextmanager
def runner_lock(
    connection: psycopg.Connection, ledger: str, *, wait: float, on_wait: Callable[[str], None]
) -> Iterator[None]:
    """Hold the runner's lock; for up to `wait` seconds wait for another one to let go of it.

    `on_wait` is told who holds it, once for every new holder. The connection serves nothing else.

    Raises:
        RunnerBusy: Another runner held it all that time.
    """
    deadline = time.monotonic() + wait
    pause, told = 0.05, ""
    while not _try(connection, ledger):
        holder = _holder(connection, ledger)
        if holder not in ("", told):
            on_wait(holder)
            told = holder
        if time.monotonic() >= deadline:
            raise RunnerBusy(holder or told or "another runner", wait)
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    try:
        yield
    finally:
        if not connection.closed:
            send(connection, "ROLLBACK")


def work_guard(ledger: str) -> str:
    """A statement for the head of a migration's transaction: takes the work lock, or fails.

    It fails with SQLSTATE 55P03, before anything was changed.
    """
    return sql.SQL(_GUARD).format(body=sql.Literal(_keyed(_GUARD_BODY, _WORK, ledger))).as_string()


def _try(connection: psycopg.Connection, ledger: str) -> bool:
    reply = send(connection, _keyed(_TRY, _RUNNER, ledger))
    if reply.error:
        raise reply.error
    return reply.rows == [("t",)]


def _holder(connection: psycopg.Connection, ledger: str) -> str:
    """Who holds the runner's lock, in words; empty if nobody does any more."""
    reply = send(connection, _keyed(_GIVE_UP, _RUNNER, ledger))
    if reply.error:
        raise reply.error
    return ", ".join(f"process {pid} ({name}), since {since}" for pid, name, since in reply.rows)


def _keyed(statement: str, space: int, ledger: str) -> str:
    return (
        sql.SQL(statement)
        .format(space=sql.Literal(space), key=sql.Literal(_number(ledger)))
        .as_string()
    )
