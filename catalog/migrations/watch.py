"""A look, from the connection that holds the lock, at what a long script is doing.

While a script runs, its own connection cannot be asked anything. Postgres tells others whom it
waits for and how far it is; by the time a `lock_timeout` has struck, nobody can tell any more.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import send
from catalog.errors import Blocked, Blocker
from catalog.migrations.events import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from catalog.migrations.events import Event

FIRST_LOOK = 0.5  # seconds; well before the default lock_timeout can strike
_INTERVAL = 0.5  # seconds
_STARVED = 3.0  # seconds without a server process, until a pooler is taken to have none

# Through a pooler only the application's name tells our own process. In a transaction, as here,
# the activity is what it was at the first look unless the snapshot is cleared.
_LOOK = """
    SELECT pg_stat_clear_snapshot();

    SELECT blocker.pid, coalesce(blocker.application_name, ''), coalesce(blocker.state, ''),
           coalesce(extract(epoch FROM clock_timestamp() - blocker.xact_start)::bigint, 0),
           split_part(coalesce(blocker.query, ''), E'\\n', 1)
      FROM pg_stat_activity AS worker
     CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(worker.pid)) AS pid) AS blocking
      JOIN pg_stat_activity AS blocker ON blocker.pid = blocking.pid
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

    SELECT count(*)
      FROM pg_stat_activity
     WHERE application_name = {name};
"""


@dataclass
class _Script:
    """The script that runs at the moment."""

    name: str
    began: float
    blocked: Blocked | None = None


class Watcher:
    """A thread that looks at the run's other connection, as long as it is entered."""

    def __init__(
        self,
        connection: Callable[[], psycopg.Connection],
        application_name: str,
        *,
        tell: Callable[[Event], None],
        on_starved: Callable[[], None],
    ) -> None:
        """`connection` gives the lock's connection, which nobody else uses meanwhile.

        `on_starved` is called when no server process works for us: a pooler has none to give.
        """
        self._connection = connection
        self._look = sql.SQL(_LOOK).format(name=sql.Literal(application_name)).as_string()
        self._tell = tell
        self._on_starved = on_starved
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
        self._thread.join()

    @contextmanager
    def watching(self, name: str) -> Iterator[_Script]:
        """While a script runs; what it waited for stays known afterwards."""
        script = _Script(name, time.monotonic())
        with self._changed:
            self._script = script
        try:
            yield script
        finally:
            # A look that is under way ends first: the connection is free again after this.
            with self._changed:
                self._script = None

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                script = self._script
                if script and time.monotonic() - script.began >= FIRST_LOOK:
                    self._watch(script)
                self._changed.wait(_INTERVAL / 2 if script is None else _INTERVAL)

    def _watch(self, script: _Script) -> None:
        reply = send(self._connection(), self._look)
        if reply.error:
            return  # the lock's connection is gone; the run will notice by itself
        _, blockers, [(behind,)], progress, [(processes,)] = reply.rowsets
        if processes == "0" and time.monotonic() - script.began > _STARVED:
            self._on_starved()
            return
        by = tuple(
            Blocker(int(pid or 0), str(name), str(state), int(seconds or 0), str(query))
            for pid, name, state, seconds, query in blockers
        )
        blocked = Blocked(by, int(behind or 0)) if by else None
        script.blocked = blocked or script.blocked
        phase, percent = progress[0] if progress else ("", None)
        self._tell(
            Running(
                script.name,
                time.monotonic() - script.began,
                str(phase or ""),
                float(percent) if percent else None,
                blocked,
            )
        )
