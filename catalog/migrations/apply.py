"""The algorithm: plan, lock, plan again, run each migration with its record.

Every transactional migration is one message to the server, and so one round trip: its
transaction, the work lock, its row in the ledger, the script, and the commit. Either all of it
happens or nothing. What happens is told as events, to whoever wants to show them.
"""

from __future__ import annotations

import random
import re
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from catalog.database import send
from catalog.errors import (
    Edited,
    FileProblem,
    FilesInvalid,
    HalfDone,
    HistoryRefused,
    Interrupted,
    Irreversible,
    Late,
    PostgresReport,
    ScriptFailed,
    ScriptPlace,
    UnknownVersion,
)
from catalog.migrations.events import Finished, Retrying, Started
from catalog.migrations.indexes import STATEMENT, refuse_invalid
from catalog.migrations.journal import Journal
from catalog.migrations.ledger import DEFAULT_TABLE, Ledger
from catalog.migrations.lock import DIVISION_BY_ZERO, WorkUnderWay, work_guard
from catalog.migrations.migration import Script
from catalog.migrations.plan import History, next_number
from catalog.migrations.session import Session
from catalog.migrations.untransacted import (
    LOCK_TIMEOUT,
    NEEDS_NO_TRANSACTION,
    RESET,
    UntransactedScript,
    set_values,
)
from catalog.migrations.watch import FIRST_LOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from catalog.database import Reply
    from catalog.migrations.events import Event
    from catalog.migrations.journal import Entry
    from catalog.migrations.losses import Loss
    from catalog.migrations.migration import Migration
    from catalog.migrations.plan import Applied
    from catalog.migrations.session import Target

# Nothing is wrong with the script: lock_not_available, deadlock_detected, serialization_failure.
_WORTH_RETRYING = ("55P03", "40P01", "40001")
_UNIQUE_VIOLATION = "23505"
_LONGEST_PAUSE = 10.0  # seconds between two attempts


class Runner:
    """One command's work on one database."""

    def __init__(
        self,
        target: Target,
        migrations: Sequence[Migration],
        *,
        table: str = DEFAULT_TABLE,
        wait: float,
        tell: Callable[[Event], None],
    ) -> None:
        """`wait` is how long, in seconds, to wait for each thing that may come back."""
        self._session = Session(target, wait=wait, tell=tell)
        self._migrations = migrations
        self._table = table
        self._tell = tell
        self.finished: list[Finished] = []
        """What this run has committed so far."""

    def __enter__(self) -> Runner:
        with ExitStack() as opened:
            opened.enter_context(self._session)
            connection = self._session.work
            self._ledger = Ledger.locate(connection, self._table)
            self._history = History(self._migrations, self._ledger.read(connection))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def history(self) -> History:
        """Files and ledger, as last read."""
        return self._history

    @property
    def half_done(self) -> Entry | None:
        """The last statement that was begun of a script that broke off, if one did."""
        if not self._ledger.half_done:
            return None
        entries = Journal(self._ledger).read(self._session.work)
        return entries[-1] if entries else None

    def plan_up(
        self, *, count: int | None = None, to: str | None = None, out_of_order: bool = False
    ) -> list[Migration]:
        """What `up` would apply, in order.

        Raises:
            UnknownVersion: No migration is called `to`.
            HistoryRefused: Applied files were edited, or pending ones are late.
        """
        chosen = self._history.to_apply(count=count, to=to)
        self._refuse_edited()
        late = [] if out_of_order else [each for each in self._history.late if each in chosen]
        if late:
            raise HistoryRefused(late=_with_free_numbers(late, self._history))
        return chosen

    def plan_down(self, *, count: int | None = 1, to: str | None = None) -> list[Applied]:
        """What `down` would revert, in order.

        Raises:
            UnknownVersion: No migration is called `to`.
            HistoryRefused: Applied files were edited.
        """
        chosen = self._history.to_revert(count=count, to=to)
        self._refuse_edited()
        return chosen

    def up(
        self,
        *,
        count: int | None = None,
        to: str | None = None,
        out_of_order: bool = False,
        resume_at: int | None = None,
    ) -> None:
        """Apply pending migrations: all, the next `count`, or those through `to`.

        After a failure those before the failing one are applied, and it is not.

        Raises:
            UnknownVersion, HistoryRefused: As for `plan_up`; nothing was done.
            ScriptFailed: Postgres refused a script.
            ResumeUnclear: A script without a transaction broke off earlier.
            Interrupted: Ctrl-C or SIGTERM arrived.
            RunnerBusy: Another runner did not let go of the lock in time.
        """
        wanted = self.plan_up(count=count, to=to, out_of_order=out_of_order)
        if not wanted:
            return
        with self._locked(create=True):
            again = self.plan_up(to=to, out_of_order=out_of_order)
            if count is not None:
                # Others may have reverted what we were to build upon.
                again = list(takewhile(lambda migration: migration in wanted, again))
            self._refuse_half_done("up", again[0].name if again else "", resume_at)
            for migration in again:
                self._apply(migration, resume_at)
                resume_at = None

    def down(
        self, *, count: int | None = 1, to: str | None = None, resume_at: int | None = None
    ) -> None:
        """Revert the last `count` migrations (all, if `None`), or all applied after `to`.

        Raises:
            Irreversible: One has no down script; nothing was reverted.
            UnknownVersion, HistoryRefused, ScriptFailed, ResumeUnclear, Interrupted, RunnerBusy:
                As for `up`.
        """
        wanted = [row.name for row in self.plan_down(count=count, to=to)]
        if not wanted:
            return
        with self._locked():
            # What others did meanwhile is not done twice, and what they added is not buried.
            newest_first = self.plan_down(count=None)
            rows = list(takewhile(lambda row: row.name in wanted, newest_first))
            self._refuse_half_done("down", rows[0].name if rows else "", resume_at)
            for row, script in self.down_scripts(rows):
                self._revert(row, script, resume_at)
                resume_at = None

    def redo(self) -> None:
        """Revert the newest migration and apply it again, under one lock."""
        newest = [row.name for row in self.plan_down()]
        if not newest:
            return
        with self._locked():
            self._refuse_half_done("down", newest[0], None)
            for row, script in self.down_scripts(self.plan_down()):
                if row.name in newest and (migration := self._history.by_name.get(row.name)):
                    self._revert(row, script, None)
                    self._apply(migration, None)

    def down_scripts(self, rows: Sequence[Applied]) -> list[tuple[Applied, Script]]:
        """What reverts these: the file, else the text that was kept when it was applied.

        Raises:
            Irreversible: Some have no down script.
        """
        by_name = self._history.by_name
        missing = [row.name for row in rows if row.name not in by_name]
        kept = self._ledger.read_scripts(self._session.work, missing)
        found: list[tuple[Applied, Script | None]] = []
        for row in rows:
            if row.name in by_name:
                found.append((row, by_name[row.name].down))
            else:
                _, text = kept.get(row.name, ("", None))
                path = f"{row.name}.down.sql (kept in the ledger)"
                found.append((row, None if text is None else Script(path, text)))
        if irreversible := [row.name for row, script in found if script is None]:
            raise Irreversible(irreversible)
        return [(row, script) for row, script in found if script is not None]

    def estimate(self, losses: Sequence[Loss]) -> list[int | None]:
        """About how many rows each is, by the catalogue; `None` for a table that is not there.

        One round trip, or none.
        """
        if not losses:
            return []
        reply = send(self._session.work, "".join(loss.estimate() for loss in losses))
        reply.rows()
        return [int(rows[0][0]) if rows and rows[0][0] else None for rows in reply.rowsets]

    def accept(self, name: str) -> Migration:
        """Record the text that an applied migration's file has now.

        Raises:
            UnknownVersion: No applied migration with a file is called that.
        """
        applied = {row.name for row in self._history.applied}
        known = [each for each in self._history.migrations if each.name in applied]
        for migration in known:
            if name == migration.name or (name.isdigit() and int(name) == migration.version):
                send(self._session.work, self._ledger.accept(migration)).rows()
                return migration
        raise UnknownVersion(name, [each.name for each in known])

    def run_seed(self, script: Script) -> list[str]:
        """Run a script of data as one transaction, without a record; returns its command tags.

        Raises:
            ScriptFailed: Postgres refused it; nothing was changed.
        """
        reply = self._send_script(script, ["BEGIN;\n"], "COMMIT;")
        return reply.tags[1:-1]

    def _apply(self, migration: Migration, resume_at: int | None) -> None:
        claim = self._ledger.claim(migration)
        self._settle(
            migration.name,
            "up",
            migration.up,
            lambda seconds: (claim, self._ledger.finish(migration.name, seconds)),
            resume_at,
        )

    def _revert(self, row: Applied, script: Script, resume_at: int | None) -> None:
        release = self._ledger.release(row.name)
        self._settle(row.name, "down", script, lambda _: (release, ""), resume_at)

    def _settle(
        self,
        name: str,
        direction: str,
        script: Script,
        record: Callable[[float | None], tuple[str, str]],
        resume_at: int | None,
    ) -> None:
        """Run a script until it is done, by us or somebody else, or is not going to be.

        `record` gives the statements that write or remove its row, before and after it; it is
        told how many seconds the script took where its transaction cannot tell.
        """
        self._tell(Started(name, direction))
        began = time.monotonic()
        pause = 0.25
        while True:
            failure = None
            try:
                if script.transactional:
                    self._run(name, script, *record(None))
                else:
                    self._run_untransacted(name, direction, script, record, resume_at)
                break
            except WorkUnderWay:
                self._session.wait_for_work()
            except ScriptFailed as exc:
                failure = exc
                refused = exc.report.sqlstate in NEEDS_NO_TRANSACTION
                worth_retrying = exc.report.sqlstate in _WORTH_RETRYING and exc.done == 0
                taken = exc.report.sqlstate == _UNIQUE_VIOLATION and exc.offset is None
                if worth_retrying and time.monotonic() - began + pause < self._session.wait:
                    self._tell(Retrying(name, exc.report.message, pause, exc.blocked))
                    time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    failure = None
                elif refused and script.may_run_alone:
                    # Histories of other tools have such files without a word about it.
                    script = replace(script, alone=True)
                    continue
                elif exc.lost:
                    self._session.recover()
                elif not taken:
                    raise
            # Only the ledger can tell what became of a lost answer, or of another one's work.
            self._history = History(self._migrations, self._ledger.read(self._session.work))
            if (name in (row.name for row in self._history.applied)) == (direction == "up"):
                self._done(name, direction, began, by_other=failure is None or not failure.lost)
                return
            if failure:
                raise failure
        self._done(name, direction, began)

    def _done(self, name: str, direction: str, began: float, *, by_other: bool = False) -> None:
        event = Finished(name, direction, (time.monotonic() - began) * 1000, by_other)
        self.finished.append(event)
        self._tell(event)

    def _run(self, name: str, script: Script, record: str, finish: str) -> None:
        """Run a script as one transaction with its record."""
        head = [
            "BEGIN;\n",
            *set_values({"lock_timeout": LOCK_TIMEOUT, **script.timeouts}, local=True),
            work_guard(self._ledger.key),
            record,
        ]
        tail = f"{refuse_invalid(script.statements)}{self._reset}{finish}COMMIT;"
        self._send_script(script, head, tail, name=name)

    def _send_script(
        self, script: Script, head: Sequence[str], tail: str, *, name: str = ""
    ) -> Reply:
        """Send a script between statements of our own, as one transaction in one message."""
        before = "".join(head)
        with _interruptible(script, done=lambda: 0, cleanup=self._session.roll_back):
            message = f"{before}{script.body}\n;\n{tail}"
            reply, blocked = self._session.send(message, script=name, look=_first_look(script))
        if reply.error is None:
            return reply
        if not reply.lost:
            self._session.roll_back()
        failed = len(reply.tags) - len(head)
        if failed < 0 and reply.error.sqlstate == DIVISION_BY_ZERO:
            raise WorkUnderWay
        if failed >= len(script.statements) and reply.error.sqlstate == DIVISION_BY_ZERO:
            report = PostgresReport(None, "it takes its own row out of the ledger")
            raise ScriptFailed(_place(script), report) from reply.error
        position = reply.error.diag.statement_position
        offset = _offset_of(script, failed, reply.error)
        if position and (inside := int(position) - 1 - len(before)) >= 0:
            # At the end of the file Postgres points at the semicolon that we put there.
            offset = min(inside, len(script.text.rstrip()))
        raise ScriptFailed(
            _place(script), _report(reply.error), offset=offset, blocked=blocked, lost=reply.lost
        ) from reply.error

    def _run_untransacted(
        self,
        name: str,
        direction: str,
        script: Script,
        record: Callable[[float | None], tuple[str, str]],
        resume_at: int | None,
    ) -> None:
        """Run a script statement by statement, and write or remove its record at the end."""
        began = time.monotonic()
        steps = UntransactedScript(
            self._session, self._ledger, script, name=name, direction=direction
        )
        with _interruptible(script, done=lambda: steps.done, cleanup=lambda: None):
            steps.prepare(resume_at)
            while steps.done < len(script.statements):
                reply, blocked = steps.run_next()
                if reply.error:
                    position = reply.error.diag.statement_position
                    inside = steps.offset_of(int(position)) if position else None
                    statement = _offset_of(script, steps.done, reply.error)
                    raise ScriptFailed(
                        _place(script),
                        _report(reply.error),
                        offset=statement if inside is None else inside,
                        done=steps.done,
                        blocked=blocked,
                        lost=reply.lost,
                    ) from reply.error
        guard = work_guard(self._ledger.key)
        row = "".join(record(time.monotonic() - began))
        drop = Journal(self._ledger).drop()
        message = f"BEGIN READ WRITE;{self._reset}{guard}{row}{drop}COMMIT;"
        reply, _ = self._session.send(message, script=name)
        if reply.error:
            if not reply.lost:
                self._session.roll_back()
            if reply.error.sqlstate == DIVISION_BY_ZERO:
                raise WorkUnderWay
            raise ScriptFailed(
                _place(script), _report(reply.error), done=steps.done, lost=reply.lost
            ) from reply.error

    @contextmanager
    def _locked(self, *, create: bool = False) -> Iterator[None]:
        """Hold the lock, with the ledger read again, and tell what others did meanwhile."""
        with self._session.locked(self._ledger.key, pooled=self._ledger.pooled):
            before = {row.name for row in self._history.applied}
            self._ledger, rows = self._ledger.read_locked(self._session, create=create)
            self._history = History(self._migrations, rows)
            after = [row.name for row in self._history.applied]
            for direction, names in (
                ("up", [name for name in after if name not in before]),
                ("down", sorted(before.difference(after), reverse=True)),
            ):
                for name in names:
                    event = Finished(name, direction, 0.0, by_other=True)
                    self.finished.append(event)
                    self._tell(event)
            yield

    @property
    def _reset(self) -> str:
        if not self._ledger.pooled:
            return RESET
        # A pooler takes what its server connection falls back to for what we want.
        ours = {"application_name": self._session.run, "client_encoding": "UTF8"}
        return RESET + "".join(set_values(ours, local=False))

    def _refuse_half_done(self, direction: str, name: str, resume_at: int | None) -> None:
        """Let nothing run before a script that broke off, which may depend on what it did."""
        broken = self.half_done
        if broken is None:
            if resume_at is not None and name:
                problem = FileProblem(name, "did not break off", "leave --resume-at away")
                raise FilesInvalid([problem])
            return
        script = self._history.by_name.get(name)
        transactional = direction == "up" and script is not None and script.up.transactional
        if (broken.name, broken.direction) != (name, direction) or (
            transactional and script is not None and not script.up.may_run_alone
        ):
            done = broken.statement - (broken.state != "done")
            journal = f"{self._ledger.schema}.{self._ledger.name}_journal"
            raise HalfDone(broken.name, broken.direction, done, journal)

    def _refuse_edited(self) -> None:
        if edited := self._history.edited:
            names = [migration.name for migration in edited]
            applied = self._ledger.read_scripts(self._session.work, names)
            raise HistoryRefused(
                edited=[
                    Edited(each.name, each.up.path, applied[each.name][0], each.up.text)
                    for each in edited
                ]
            )


def _first_look(script: Script) -> float:
    """When to look what a script waits for, in seconds: before its lock_timeout can strike."""
    value = script.timeouts.get("lock_timeout", LOCK_TIMEOUT)
    milliseconds = int(value[:-2]) if value.endswith("ms") else 1000
    return min(FIRST_LOOK, milliseconds / 2000) if milliseconds else FIRST_LOOK


@contextmanager
def _interruptible(
    script: Script, *, done: Callable[[], int], cleanup: Callable[[], None]
) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into an error that knows what ran; psycopg cancels it."""
    try:
        yield
    except KeyboardInterrupt as exc:
        cleanup()
        number = exc.args[0] if exc.args else signal.SIGINT
        raise Interrupted(number, _place(script), done=done()) from exc


def _offset_of(script: Script, number: int, error: psycopg.Error) -> int | None:
    """The offset of a script's statement, counted from 0, or of the line in its `DO` block."""
    checked = str(error.diag.constraint_name).removeprefix(STATEMENT)
    if checked.isdigit() and number >= len(script.statements):
        number = int(checked)
    if not 0 <= number < len(script.statements):
        return None
    statement = script.statements[number]
    lines = re.findall(r"inline_code_block line (\d+)", error.diag.context or "")
    body = next((token for token in statement.tokens if token.kind == "dollar"), None)
    if not lines or body is None or not statement.begins("DO"):
        return statement.start
    # The outermost block comes last; its lines are counted from the opening quote.
    offset = body.start
    for _ in range(int(lines[-1]) - 1):
        offset = script.text.find("\n", offset) + 1
    return offset + len(script.text[offset:]) - len(script.text[offset:].lstrip(" \t"))


def _with_free_numbers(late: Sequence[Migration], history: History) -> list[Late]:
    names = [*(each.name for each in history.migrations), *(row.name for row in history.missing)]
    renumbered = []
    for migration in late:
        number = next_number(names)
        names.append(f"{number}_")
        scripts = [script.path for script in (migration.up, migration.down) if script]
        renumbered.append(Late(migration.name, tuple(scripts), number))
    return renumbered


def _place(script: Script) -> ScriptPlace:
    return ScriptPlace(script.path, script.text, script.transactional)


def _report(error: psycopg.Error) -> PostgresReport:
    diag = error.diag
    ours = str(diag.constraint_name).startswith(STATEMENT)
    return PostgresReport(
        sqlstate=error.sqlstate,
        message=diag.message_primary or str(error).strip(),
        detail=diag.message_detail,
        hint=diag.message_hint,
        context=None if ours else diag.context,
    )
