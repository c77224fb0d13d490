"""Where to go on in a script without a transaction that broke off.

What the broken run left in doubt is settled by looking at the database where that is certain, and
otherwise by asking.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from catalog.database import send
from catalog.errors import FileProblem, FilesInvalid, ResumeUnclear, RunnerBusy
from catalog.migrations.events import Healed, Waiting
from catalog.migrations.indexes import IndexBuild, indexes_on
from catalog.migrations.journal import Entry, Journal
from catalog.migrations.scanner import qualified_name, split

if TYPE_CHECKING:
    from catalog.migrations.ledger import Ledger
    from catalog.migrations.migration import Script
    from catalog.migrations.scanner import Statement
    from catalog.migrations.session import Session

# What may commit on its way.
MAY_COMMIT = ("CALL", "DO")

# What these do twice is what they do once.
_REPEATABLE = ("VACUUM", "ANALYZE", "CHECKPOINT", "CLUSTER", "REFRESH", "SET", "RESET", "LOAD")


class Resumption:
    """The state that earlier runs left a script in."""

    def __init__(
        self, session: Session, ledger: Ledger, script: Script, *, name: str, direction: str
    ) -> None:
        self._session = session
        self._journal = Journal(ledger)
        self._script = script
        self._name = name
        self._direction = direction
        self._done = 0

    def settle(self, resume_at: int | None) -> int:
        """Clear away what was left half done, and return how many statements took effect.

        `resume_at` is the number of the statement to begin with, by somebody's decision.

        Raises:
            FilesInvalid: There is no such statement, or nothing broke off.
            ResumeUnclear: There is no telling what was done; somebody has to decide.
            RunnerBusy: What is left of the broken run was at work for as long as we could wait.
        """
        entries = self._read_settled()
        if resume_at is not None:
            self._begin_at(resume_at, entries)
        else:
            self._begin_after(entries)
        if entries:
            send(self._session.work, self._journal.forget_from(self._done + 1)).rows()
        return self._done

    def _read_settled(self) -> list[Entry]:
        """The journal, once nothing of the runs that wrote it is under way any more."""
        while True:
            self._session.wait_for_work()
            entries = self._read()
            runs = sorted({entry.run for entry in entries})
            if not runs or not self._journal.is_active(self._session.work, runs):
                # What was active a moment ago may have noted something since.
                again = self._read()
                if again == entries:
                    return entries
            else:
                self._wait_for(runs)

    def _read(self) -> list[Entry]:
        try:
            return self._journal.read(self._session.work)
        except psycopg.errors.UndefinedTable:
            return []

    def _begin_at(self, number: int, entries: list[Entry]) -> None:
        """Take somebody's word for it that the statements before this one are done."""
        statements = self._script.statements
        if not entries or number > len(statements) + 1:
            problem = f"has {len(statements)} statements" if entries else "was not begun yet"
            raise FilesInvalid(
                [FileProblem(self._script.path, problem, f"--resume-at {number} means nothing")]
            )
        self._done = number - 1
        notes = [
            self._journal.claim(
                Entry(self._name, self._direction, number, "done", self._session.run, each.text)
            )
            for number, each in enumerate(statements[: self._done], start=1)
        ]
        message = "".join(["BEGIN;\n", self._journal.forget_from(1), *notes, "COMMIT;"])
        send(self._session.work, message).rows()

    def _begin_after(self, entries: list[Entry]) -> None:
        """Settle what the entries leave open."""
        statements = self._script.statements
        for entry in entries:
            now = statements[entry.statement - 1] if entry.statement <= len(statements) else None
            same = now is not None and _alike(entry.script, now)
            if entry.state != "done":
                self._settle(entry, same=same)
                return
            if not same:
                raise self._unclear(entry, entries, "was done, and the file has another one now")
            self._done = entry.statement

    def _settle(self, entry: Entry, *, same: bool) -> None:
        """Find out what became of a statement that is not known to be done."""
        statement = split(entry.script)[0]
        build = IndexBuild.of(statement)
        if build and build.concurrently:
            self._settle_index(entry, build, same=same)
        elif statement.begins("DROP", "INDEX"):
            if self._is_gone(statement):
                self._done = entry.statement
        elif statement.first_words(1)[0] not in _REPEATABLE and (
            entry.state == "started" or statement.first_words(1)[0] in MAY_COMMIT
        ):
            raise self._unclear(entry, [entry], "was begun; whether it took effect is not known")

    def _settle_index(self, entry: Entry, build: IndexBuild, *, same: bool) -> None:
        made = {
            oid: found
            for oid, found in indexes_on(self._session.work, build).items()
            if oid not in entry.indexes and build.name in (None, found[1])
        }
        invalid = [qualified for qualified, _, valid in made.values() if not valid]
        if len(made) > 1 or (made and not invalid and not same):
            names = ", ".join(qualified for qualified, *_ in made.values())
            raise self._unclear(entry, [entry], f"was begun, and these indexes are new: {names}")
        if invalid:
            connection = self._session.work
            send(connection, self._journal.take_over(entry.statement, self._session.run)).rows()
            send(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {invalid[0]}").rows()
            self._session.tell(Healed(self._name, invalid[0]))
        elif made:
            self._done = entry.statement

    def _is_gone(self, statement: Statement) -> bool:
        words = statement.words
        first = 2 + (words[2:3] == ("CONCURRENTLY",))
        if words[first : first + 2] == ("IF", "EXISTS"):
            return False  # then it can simply be run again
        name = sql.Literal(qualified_name(statement.tokens[first:]))
        message = sql.SQL("SELECT to_regclass({name}) IS NULL;").format(name=name).as_string()
        return send(self._session.work, message).rows() == [("t",)]

    def _wait_for(self, runs: list[str]) -> None:
        deadline = time.monotonic() + self._session.wait
        names = ", ".join(runs)
        self._session.tell(Waiting(f"what is left of an earlier run to end ({names})"))
        while self._journal.is_active(self._session.work, runs):
            if time.monotonic() >= deadline:
                raise RunnerBusy(f"what is left of {names}", self._session.wait)
            time.sleep(0.2)

    def _unclear(self, entry: Entry, entries: list[Entry], finding: str) -> ResumeUnclear:
        known = [each.statement for each in entries if each.state == "done"]
        return ResumeUnclear(
            self._name,
            self._direction,
            entry.statement,
            entry.script,
            finding,
            done=max(known, default=entry.statement - 1),
        )


def _alike(script: str, statement: Statement) -> bool:
    """Whether two statements differ in comments and blanks at most."""
    found = split(script)
    return len(found) == 1 and [token.text for token in found[0].tokens] == [
        token.text for token in statement.tokens
    ]
