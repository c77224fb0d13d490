"""The table locks of a statement that Postgres runs in no transaction but its own.

They are gone when it ends. So others hold every table, and let go of each one only once the
statement is seen waiting for it: that tells the lock that it asks for.
"""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from threading import Thread
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import send
from catalog.migrations.foresight.locking import EXCLUSIVE
from catalog.migrations.foresight.look import Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from catalog.database import Reply

# The holders do not keep each other waiting with either of these. SHARE stops whatever would write
# or build; what has been let through once is stopped by ACCESS SHARE if it asks for everything.
_FIRST, _AGAIN = "SHARE", "ACCESS SHARE"
_SHORTEST, _LONGEST = 0.002, 0.05  # seconds between two looks
_PATIENCE = 2.0  # seconds for a statement that is to be cancelled

_WAITS = """
    SELECT coalesce(relation, 0), mode
      FROM pg_locks
     WHERE pid = {pid}
       AND NOT granted
       AND pg_blocking_pids(pid) && {holders}::integer[];
"""


def intercept(
    connect: Callable[[], psycopg.Connection],
    connection: psycopg.Connection,
    message: str,
    tables: Mapping[int, sql.Identifier],
) -> tuple[Reply, set[Lock]]:
    """Send a message, and note which locks on these tables (by oid) it asks for.

    Locks that readers and writers take, too, may be left out. `connect` opens connections in
    autocommit to the same database.
    """
    with ExitStack() as opened:
        watcher, *holders = [opened.enter_context(connect()) for _ in range(3)]
        turnstile = _Turnstile(watcher, holders, connection.info.backend_pid, tables)
        replies: list[Reply] = []
        thread = Thread(target=lambda: replies.append(send(connection, message)), daemon=True)
        thread.start()
        try:
            pause = _SHORTEST
            while thread.is_alive():
                pause = _SHORTEST if turnstile.turn() else min(pause * 1.5, _LONGEST)
                thread.join(pause)
        except BaseException:
            connection.cancel_safe(timeout=_PATIENCE)
            raise
        finally:
            turnstile.open()
            thread.join()
    return replies[0], turnstile.seen


class _Turnstile:
    """A connection that holds all tables, and one to take over what it is not to let go of.

    It takes over while the statement is waiting, and so cannot get in its way.
    """

    def __init__(
        self,
        watcher: psycopg.Connection,
        holders: Sequence[psycopg.Connection],
        pid: int,
        tables: Mapping[int, sql.Identifier],
    ) -> None:
        self.seen: set[Lock] = set()
        self._watcher = watcher
        self._holders = deque(holders)
        self._tables = tables
        self._held = dict.fromkeys(tables, _FIRST)
        pids = [holder.info.backend_pid for holder in holders]
        values = {"pid": sql.Literal(pid), "holders": sql.Literal(pids)}
        self._waits = sql.SQL(_WAITS).format(**values).as_string()
        self._take_over()

    def turn(self) -> bool:
        """Let the statement go on if it waits for a holder; whether it did."""
        waits = send(self._watcher, self._waits).rows()
        for relation, mode in waits:
            lock = Lock(int(relation or 0), str(mode))
            held = self._held.pop(lock.relation, None)
            if held is None:
                self._let_go()
                continue
            self.seen.add(lock)
            if held == _FIRST and lock.mode != EXCLUSIVE:
                self._held[lock.relation] = _AGAIN
        if waits:
            self._take_over()
        return bool(waits)

    def open(self) -> None:
        """Let go of everything."""
        for holder in self._holders:
            send(holder, "ROLLBACK")

    def _let_go(self) -> None:
        """It waits for a holder's transaction to end, because of a table that it had first."""
        again = (table for table, held in self._held.items() if held == _AGAIN)
        self._held.pop(next(again, 0), None)

    def _take_over(self) -> None:
        message = "BEGIN;"
        for mode in (_FIRST, _AGAIN):
            tables = [self._tables[table] for table, held in self._held.items() if held == mode]
            if tables:
                names = sql.SQL(", ").join(map(sql.SQL("ONLY {}").format, tables))
                lock = sql.SQL("LOCK TABLE {} IN {} MODE;").format(names, sql.SQL(mode))
                message += lock.as_string()
        last, following = self._holders
        send(following, message).rows()
        send(last, "ROLLBACK")
        self._holders.rotate()
