"""The algorithm: plan, lock, plan again, run each migration with its record.

Every transactional migration is one message to the server, and so one round trip: its
transaction, the work lock, its row in the ledger, the script, and the commit. Either all of it
happens or nothing. What happens is told as events, to whoever wants to show them.
"""

from __future__ import annotations

import signal
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.pq import TransactionStatus as _Status

from catalog.database import Reply, connect, send
from catalog.errors import (
    Interrupted,
    Irreversible,
    PostgresReport,
    ScriptFailed,
)
from catalog.migrations.ledger import Ledger
from catalog.migrations.lock import runner_lock, work_guard
from catalog.migrations.migration import Script
from catalog.migrations.plan import Applied, History
from catalog.migrations.scanner import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from catalog.migrations.migration import Migration

# What a script set must not reach the record, the next script or, through a pooler, anybody else.
_RESET = """
    SET SESSION AUTHORIZATION DEFAULT;
    RESET ROLE;
    RESET ALL;
"""


@dataclass(frozen=True)
class Waiting:
    """Something has to come back or to be let go of first."""

    reason: str


@dataclass(frozen=True)
class Started:
    """A script is about to run."""

    name: str
    direction: str
    """`up` or `down`."""


@dataclass(frozen=True)
class Finished:
    """A script and its record are committed."""

    name: str
    direction: str
    duration_ms: float


@dataclass(frozen=True)
class Noticed:
    """Postgres, or a script by `RAISE`, said something meanwhile."""

    severity: str
    message: str


Event = Waiting | Started | Finished | Noticed


class Runner:
    """One command's work on one database. Its connections live as long as it is entered."""

    def __init__(
        self,
        conninfo: str,
        migrations: Sequence[Migration],
        *,
        origin: str,
        place: str,
        wait: float,
        tell: Callable[[Event], None],
    ) -> None:
        self._conninfo = conninfo
        self._migrations = migrations
        self._origin = origin
        self._place = place
        self._wait = wait
        self._tell = tell
        # Unique, so that what is left of a killed run can be told from everything else.
        self._name = f"catalog-migrate-{uuid.uuid4().hex[:8]}"
        self._open = ExitStack()
        self.finished: list[Finished] = []
        """What this run has committed so far."""

    def __enter__(self) -> Runner:
        self._work = self._connect()
        self._ledger = Ledger.locate(self._work)
        self._history = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def history(self) -> History:
        """Files and ledger, as last read."""
        return self._history

    def up(self, choose: Callable[[History], Sequence[Migration]]) -> None:
        """Apply the migrations that `choose` picks from the history, in order.

        After a failure those before the failing one are applied, and it is not.

        Raises:
            ScriptFailed: Postgres refused a script.
            Interrupted: Ctrl-C or SIGTERM arrived.
            RunnerBusy: Another runner did not let go of the lock in time.
        """
        if not choose(self._history):
            return
        with self._locked():
            for migration in choose(self._history):
                self._apply(migration)

    def down(self, choose: Callable[[History], Sequence[Applied]]) -> None:
        """Revert the migrations that `choose` picks from the history, in order.

        Raises:
            Irreversible: One has no down script; nothing was reverted.
            ScriptFailed, Interrupted, RunnerBusy: As for `up`.
        """
        if not choose(self._history):
            return
        with self._locked():
            rows = choose(self._history)
            scripts = [self._down_script(row) for row in rows]
            if irreversible := [
                row.name for row, script in zip(rows, scripts, strict=True) if script is None
            ]:
                raise Irreversible(irreversible)
            for row, script in zip(rows, scripts, strict=True):
                if script is not None:
                    self._revert(row, script)

    def redo(self) -> None:
        """Revert the newest migration and apply it again, under one lock."""
        newest = [row.name for row in self._history.to_revert()]
        self.down(lambda history: [row for row in history.applied[-1:] if row.name in newest])
        self._history = self._read()
        self.up(lambda history: [each for each in history.pending if each.name in newest])

    def run_seed(self, script: Script) -> Reply:
        """Run a script of data as one transaction, without a record.

        Raises:
            ScriptFailed: Postgres refused it; nothing was changed.
        """
        reply = self._send_script(script, "BEGIN;\n", "\n;\nCOMMIT;")
        return Reply(reply.done, reply.tags[1:-1], reply.rows, None)

    def _apply(self, migration: Migration) -> None:
        with self._told(migration.name, "up"):
            claim = self._ledger.claim(migration)
            if migration.up.transactional:
                self._send_script(
                    migration.up, *self._around(claim, self._ledger.finish(migration))
                )
            else:
                began = time.monotonic()
                self._run_statements(migration.up)
                took = time.monotonic() - began
                self._record(claim + self._ledger.finish(migration, took))

    def _revert(self, row: Applied, script: Script) -> None:
        with self._told(row.name, "down"):
            release = self._ledger.release(row.name)
            if script.transactional:
                self._send_script(script, *self._around(release))
            else:
                self._run_statements(script)
                self._record(release)

    @contextmanager
    def _told(self, name: str, direction: str) -> Iterator[None]:
        """Tell of the beginning and, if all went well, of the end."""
        self._tell(Started(name, direction))
        began = time.monotonic()
        yield
        event = Finished(name, direction, (time.monotonic() - began) * 1000)
        self.finished.append(event)
        self._tell(event)

    def _around(self, record: str, finish: str = "") -> tuple[str, str]:
        """What goes before and after a script that is one transaction with its record."""
        return (
            f"BEGIN;\n{work_guard(self._ledger.key)}{record}",
            f"\n;\n{_RESET}{finish}COMMIT;",
        )

    def _record(self, record: str) -> None:
        """Write or remove a record by itself, for a script that had no transaction."""
        reply = send(self._work, "".join(self._around(record)))
        if reply.error:
            self._roll_back()
            raise reply.error

    def _send_script(self, script: Script, head: str, tail: str) -> Reply:
        """Send a script between our own statements, as one transaction in one message."""
        with self._interruptible(script, done=0):
            reply = send(self._work, head + script.body + tail)
        if reply.error is None:
            return reply
        offset = None
        if position := reply.error.diag.statement_position:
            inside = int(position) - 1 - len(head)
            offset = inside if 0 <= inside <= len(script.body) else None
        else:
            failed = reply.done - len(split(head))
            offset = _start_of(script, failed)
        self._roll_back()
        raise ScriptFailed(
            script.path, script.text, _report(reply.error), offset=offset, transactional=True
        ) from reply.error

    def _run_statements(self, script: Script) -> None:
        """Run a script statement by statement, each of which commits by itself."""
        for done, statement in enumerate(script.statements):
            with self._interruptible(script, done=done):
                reply = send(self._work, statement.text)
            if reply.error:
                position = reply.error.diag.statement_position
                raise ScriptFailed(
                    script.path,
                    script.text,
                    _report(reply.error),
                    offset=statement.start + (int(position) - 1 if position else 0),
                    transactional=False,
                    done=done,
                    statements=len(script.statements),
                ) from reply.error

    @contextmanager
    def _interruptible(self, script: Script, *, done: int) -> Iterator[None]:
        """Turn Ctrl-C and SIGTERM into an error that knows what ran; psycopg cancels it."""
        try:
            yield
        except KeyboardInterrupt as exc:
            self._roll_back()
            number = exc.args[0] if exc.args else signal.SIGINT
            raise Interrupted(
                script.path, number, transactional=script.transactional, done=done
            ) from exc

    def _roll_back(self) -> None:
        """End the transaction that a failure left open, if it left one."""
        if self._work.pgconn.transaction_status in (_Status.INTRANS, _Status.INERROR):
            send(self._work, "ROLLBACK")

    def _down_script(self, row: Applied) -> Script | None:
        """The down script from the file, else the one that was kept when it was applied."""
        if migration := self._history.by_name.get(row.name):
            return migration.down
        text = self._ledger.read_down_script(self._work, row.name)
        return None if text is None else Script(f"{row.name}.down.sql (kept in the ledger)", text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, with the ledger there and read again."""
        with ExitStack() as held:
            keeper = self._connect(held)
            held.enter_context(
                runner_lock(
                    keeper,
                    self._ledger.key,
                    wait=self._wait,
                    on_wait=lambda holder: self._tell(Waiting(f"another runner: {holder}")),
                )
            )
            if not self._ledger.exists:
                reply = send(self._work, self._ledger.create())
                if reply.error:
                    raise reply.error
                self._ledger = Ledger(self._ledger.schema, exists=True)
            self._history = self._read()
            yield

    def _read(self) -> History:
        return History(self._migrations, self._ledger.read(self._work))

    def _connect(self, stack: ExitStack | None = None) -> psycopg.Connection:
        connection = connect(
            self._conninfo,
            origin=self._origin,
            place=self._place,
            application_name=self._name,
            wait=self._wait,
            on_wait=lambda cause: self._tell(Waiting(f"{self._place}: {cause}")),
        )
        connection.add_notice_handler(
            lambda diag: self._tell(Noticed(diag.severity or "", diag.message_primary or ""))
        )
        (stack or self._open).callback(connection.close)
        return connection


def _start_of(script: Script, number: int) -> int | None:
    """The offset of a script's statement, counted from 0, if it is one of the script's."""
    if 0 <= number < len(script.statements):
        return script.statements[number].start
    return None


def _report(error: psycopg.Error) -> PostgresReport:
    diag = error.diag
    return PostgresReport(
        sqlstate=error.sqlstate,
        message=diag.message_primary or str(error).strip(),
        detail=diag.message_detail,
        hint=diag.message_hint,
        context=diag.context,
    )
