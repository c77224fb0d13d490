"""A look, from a connection of its own, at what a long script is doing.

While a script runs, its own connection cannot be asked anything. Postgres tells others whom it
waits for and how far it is; by the time a `lock_timeout` has struck, nobody can tell any more.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from catalog.database import send
from catalog.errors import Blocked, Blocker, CatalogError
from catalog.migrations.events import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catalog.migrations.events import Event

FIRST_LOOK = 0.5  # seconds; well before the default lock_timeout can strike
_INTERVAL = 0.5  # seconds
_NAP = 0.2  # seconds; waking the thread for every short script would cost more
_LAST_LOOK = 2.0  # seconds that the end of a run waits for a look

# Through a pooler only the application's name tells our own process.
_LOOK = """
    SELECT blocking.pid,
           coalesce(blocker.application_name, ''),
           coalesce(blocker.state, ''),
           coalesce(extract(epoch FROM clock_timestamp() - blocker.xact_start)::bigint, 0),
           left(split_part(coalesce(blocker.query, ''), E'\\n', 1), 80)
      FROM pg_stat_activity AS worker
     CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(worker.pid)) AS pid) AS blocking
      LEFT JOIN pg_stat_activity AS blocker ON blocker.pid = blocking.pid
     WHERE worker.application_name = {name}
       AND worker.wait_event_type = 'Lock';

    SELECT count(*)
      FROM pg_stat_activity AS waiting
      JOIN pg_stat_activity AS worker ON worker.pid = ANY (pg_blocking_pids(waiting.pid))
     WHERE worker.application_name = {name}
       AND waiting.wait_event_type = 'Lock';

    SELECT progress.phase, 100.0 * progress.done / nullif(progress.total, 0)
      FROM (
               SELECT pid, phase,
                      CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END AS done,
                      CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END AS total
                 FROM pg_stat_progress_create_index
               UNION ALL
               SELECT pid, phase, heap_blks_scanned, heap_blks_total
                 FROM pg_stat_progress_cluster
               UNION ALL
               SELECT pid, phase, heap_blks_scanned, heap_blks_total
                 FROM pg_stat_progress_vacuum
               UNION ALL
               SELECT pid, phase, sample_blks_scanned, sample_blks_total
                 FROM pg_stat_progress_analyze
               UNION ALL
               SELECT pid, 'copying', bytes_processed, bytes_total
                 FROM pg_stat_progress_copy
           ) AS progress
      JOIN pg_stat_activity AS worker ON worker.pid = progress.pid
     WHERE worker.application_name = {name};
"""


@dataclass
class _Script:
    """The script that runs at the moment."""

    name: str
    began: float
    next_look: float
    blocked: Blocked | None = None


class Watcher:
    """A thread that looks at the run's working connection, as long as it is entered.

    It has a connection of its own, in autocommit and opened when a script first takes long. On
    the lock's connection a look would leave a snapshot in a transaction that stays open, for
    which a `CREATE INDEX CONCURRENTLY` may wait: for ever, if it is the run's own.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        application_name: str,
        *,
        tell: Callable[[Event], None],
    ) -> None:
        """`connect` opens the connection to look from."""
        self._connect = connect
        self._look = sql.SQL(_LOOK).format(name=sql.Literal(application_name)).as_string()
        self._tell = tell
        self._connection: psycopg.Connection | None = None
        self._script: _Script | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._connection:
            # A look that a pooler lets wait must not make us wait as well.
            cut(self._connection)
        self._thread.join(timeout=_LAST_LOOK)

    @contextmanager
    def watching(self, name: str, first_look: float) -> Iterator[_Script]:
        """While a script runs; what it waited for stays known afterwards."""
        began = time.monotonic()
        script = _Script(name, began, began + first_look)
        with self._changed:
            self._script = script
            if first_look < FIRST_LOOK:
                self._changed.notify()  # else waking up every so often is soon enough
        try:
            yield script
        finally:
            with self._changed:
                self._script = None

    def _run(self) -> None:
        with contextlib.suppress(CatalogError, psycopg.Error):
            while True:
                with self._changed:
                    if self._ended:
                        break
                    script = self._script
                    pause = script.next_look - time.monotonic() if script else _NAP
                    if pause > 0:
                        self._changed.wait(min(pause, _NAP))
                        continue
                if script is not None:
                    if self._connection is None:
                        self._connection = self._connect()
                    self._watch(script, self._connection)
                    script.next_look = time.monotonic() + _INTERVAL
        if self._connection:
            self._connection.close()

    def _watch(self, script: _Script, connection: psycopg.Connection) -> None:
        reply = send(connection, self._look)
        if reply.error:
            raise reply.error
        blockers, [(behind,)], progress = reply.rowsets
        by = tuple(
            Blocker(int(pid or 0), str(name), str(state), int(seconds or 0), str(query))
            for pid, name, state, seconds, query in blockers
        )
        blocked = Blocked(by, int(behind or 0)) if by else None
        phase, percent = progress[0] if progress else ("", None)
        seen = Running(
            script.name,
            time.monotonic() - script.began,
            str(phase or ""),
            float(percent) if percent else None,
            blocked,
        )
        with self._changed:
            if self._script is script:
                script.blocked = blocked or script.blocked
                self._tell(seen)


def cut(connection: psycopg.Connection) -> None:
    """Make whatever waits on a connection fail, from another thread."""
    with contextlib.suppress(OSError, psycopg.Error):
        ours = socket.socket(fileno=os.dup(connection.pgconn.socket))
        with ours:
            ours.shutdown(socket.SHUT_RDWR)
