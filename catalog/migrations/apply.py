"""The algorithm: plan, lock, plan again, run each migration with its record.

What happens is told as events, to whoever wants to show them.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from catalog.database import send
from catalog.errors import AlreadyRecorded, FileProblem, FilesInvalid, Irreversible, UnknownVersion
from catalog.migrations.events import Finished
from catalog.migrations.execute import Execution, send_parcel
from catalog.migrations.ledger import DEFAULT_TABLE, Ledger
from catalog.migrations.lock import work_guard
from catalog.migrations.migration import Script
from catalog.migrations.parcel import Parcel
from catalog.migrations.plan import History, find_version
from catalog.migrations.refusals import broken_off, half_done, refuse_edited, refuse_late
from catalog.migrations.session import Session
from catalog.migrations.together import settle_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from catalog.migrations.events import Event
    from catalog.migrations.journal import Entry
    from catalog.migrations.losses import Loss
    from catalog.migrations.migration import Migration
    from catalog.migrations.plan import Applied
    from catalog.migrations.session import Target


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
        one_by_one: bool = False,
    ) -> None:
        """`wait` is how long, in seconds, to wait for each thing that may come back.

        `one_by_one` tells of each script as soon as it is done, at the price of a round trip each.
        """
        self._session = Session(target, wait=wait, tell=tell)
        self._migrations = migrations
        self._table = table
        self._tell = tell
        self._one_by_one = one_by_one
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
        return broken_off(self._ledger, self._session.work)

    def plan_up(
        self, *, count: int | None = None, to: str | None = None, out_of_order: bool = False
    ) -> list[Migration]:
        """What `up` would apply, in order.

        Raises:
            UnknownVersion: No migration is called `to`.
            HistoryRefused: Applied files were edited, or pending ones are late.
        """
        chosen = self._history.to_apply(count=count, to=to)
        refuse_edited(self._history, self._ledger, self._session.work)
        if not out_of_order:
            refuse_late(chosen, self._history)
        return chosen

    def plan_down(self, *, count: int | None = 1, to: str | None = None) -> list[Applied]:
        """What `down` would revert, in order.

        Raises:
            UnknownVersion: No migration is called `to`.
            HistoryRefused: Applied files were edited.
        """
        chosen = self._history.to_revert(count=count, to=to)
        refuse_edited(self._history, self._ledger, self._session.work)
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
        if not (wanted or self._ledger.half_done):
            return
        with self.locked(create=True):
            again = self.plan_up(to=to, out_of_order=out_of_order)
            if count is not None:
                # Others may have reverted what we were to build upon.
                again = list(takewhile(lambda migration: migration in wanted, again))
            if self._finish_half_reverted():
                again = self.plan_up(to=to, out_of_order=out_of_order)
            self._refuse_half_done("up", again[0].name if again else "", resume_at)
            self._settle([self._applying(migration) for migration in again], resume_at)

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
        with self.locked():
            # What others did meanwhile is not done twice, and what they added is not buried.
            newest_first = self.plan_down(count=None)
            rows = list(takewhile(lambda row: row.name in wanted, newest_first))
            self._refuse_half_done("down", rows[0].name if rows else "", resume_at)
            scripts = self.down_scripts(rows)
            self._settle([self._reverting(row.name, script) for row, script in scripts], resume_at)

    def redo(self) -> None:
        """Revert the newest migration and apply it again, under one lock.

        Raises:
            UnknownVersion: Its file is not here, so that it could not be applied again.
            Irreversible, HistoryRefused, HalfDone, ScriptFailed, Interrupted: As for `down`.
        """
        newest = self._newest_with_file()
        if newest is None:
            return
        with self.locked():
            self._refuse_half_done("down", newest.name, None)
            # Another runner may have reverted it, or added to it, meanwhile.
            if self._history.newest == newest.name:
                for row, script in self.down_scripts(self.plan_down()):
                    self.revert(row.name, script)
                    self.apply(newest)

    def _newest_with_file(self) -> Migration | None:
        name = self._history.newest
        if name is None:
            return None
        if name not in self._history.by_name:
            raise UnknownVersion(name, [each.name for each in self._history.migrations])
        return self._history.by_name[name]

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
        known = {each.version: each for each in self._history.migrations if each.name in applied}
        migration = known[find_version(name, [each.name for each in known.values()])]
        send(self._session.work, self._ledger.accept(migration)).rows()
        return migration

    def record(self, migrations: Sequence[Migration]) -> None:
        """Record migrations as applied without running them: all of them, or none.

        Raises:
            AlreadyRecorded: The ledger knows some already.
            RunnerBusy: Another runner did not let go of the lock in time.
        """
        with self.locked(create=True):
            if self._history.newest:
                raise AlreadyRecorded(self._history.newest)
            claims = [self._ledger.claim(migration) for migration in migrations]
            message = ["BEGIN;\n", work_guard(self._ledger.key), *claims, "COMMIT;"]
            send(self._session.work, "".join(message)).rows()

    def run_seed(self, script: Script) -> list[str]:
        """Run a script of data as one transaction, without a record; returns its command tags.

        Raises:
            ScriptFailed: Postgres refused it; nothing was changed.
        """
        reply = send_parcel(self._session, Parcel(script, ["BEGIN;\n"], ["COMMIT;"]))
        return reply.tags[1:-1]

    def apply(self, migration: Migration) -> None:
        """Apply one migration, whatever else is pending. The lock has to be held.

        Raises:
            ScriptFailed, ResumeUnclear, Interrupted, RunnerBusy: As for `up`.
        """
        self._applying(migration).settle()

    def revert(self, name: str, script: Script) -> None:
        """Revert one migration by that script. The lock has to be held.

        Raises:
            ScriptFailed, ResumeUnclear, Interrupted, RunnerBusy: As for `down`.
        """
        self._reverting(name, script).settle()

    def _applying(self, migration: Migration) -> Execution:
        ledger = self._ledger
        return Execution(
            self._session,
            ledger,
            migration.up,
            name=migration.name,
            direction="up",
            record=lambda took: (ledger.claim(migration), ledger.finish(migration.name, took)),
            done=self._done,
        )

    def _reverting(self, name: str, script: Script) -> Execution:
        return Execution(
            self._session,
            self._ledger,
            script,
            name=name,
            direction="down",
            record=lambda _: (self._ledger.release(name), self._ledger.took()),
            done=self._done,
        )

    def _settle(self, executions: Sequence[Execution], resume_at: int | None) -> None:
        apart = len(executions) if self._one_by_one else 1 if resume_at is not None else 0
        for execution in executions[:apart]:
            execution.settle(resume_at)
            resume_at = None
        settle_together(self._session, executions[apart:])

    def _done(self, event: Finished) -> None:
        self.finished.append(event)
        self._tell(event)

    @contextmanager
    def locked(self, *, create: bool = False) -> Iterator[None]:
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
                    self._done(Finished(name, direction, 0.0, by_other=True))
            yield

    def _finish_half_reverted(self) -> bool:
        """Go on with a down script that broke off, so that its migration can be applied again."""
        broken = self.half_done
        if broken is None or broken.direction != "down":
            return False
        rows = [row for row in self._history.applied if row.name == broken.name]
        for row, script in self.down_scripts(rows):
            self.revert(row.name, script)
        connection = self._session.work
        self._ledger = replace(self._ledger, half_done=False)
        self._history = History(self._migrations, self._ledger.read(connection))
        return True

    def _refuse_half_done(self, direction: str, name: str, resume_at: int | None) -> None:
        """Let nothing run before a script that broke off, which may depend on what it did."""
        broken = self.half_done
        if broken is None:
            if resume_at is not None and name:
                problem = FileProblem(name, "did not break off", "leave --resume-at away")
                raise FilesInvalid([problem])
            return
        migration = self._history.by_name.get(name)
        in_steps = direction == "down" or migration is None or migration.up.runs_in_steps
        if (broken.name, broken.direction) != (name, direction) or not in_steps:
            raise half_done(broken, self._ledger, self._history)
