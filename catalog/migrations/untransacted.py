"""Scripts that say `-- migrate: no-transaction`: statement by statement, and resumable.

Every statement that can be is made one transaction with its entry in the journal, so that there
is no doubt about it. Some cannot (`CREATE INDEX CONCURRENTLY` and its like): those are noted
before and after. What a broken run left in doubt is settled by looking at the database where
that is certain, and otherwise by asking.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import Reply, send
from catalog.errors import ResumeUnclear, RunnerBusy
from catalog.migrations.events import Resumed, Waiting
from catalog.migrations.indexes import OF_TABLE, IndexBuild
from catalog.migrations.journal import Entry, Journal
from catalog.migrations.scanner import split

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from catalog.errors import Blocked
    from catalog.migrations.migration import Script
    from catalog.migrations.scanner import Statement
    from catalog.migrations.session import Session

# "… cannot run inside a transaction block", and a COMMIT inside a procedure.
_NEEDS_NO_TRANSACTION = ("25001", "2D000")

# What these do twice is what they do once.
_REPEATABLE = ("VACUUM", "ANALYZE", "CHECKPOINT", "CLUSTER", "REFRESH", "SET", "RESET", "LOAD")


class UntransactedScript:
    """One script without a transaction, on one connection."""

    def __init__(self, session: Session, journal: Journal, script: Script, *, pooled: bool) -> None:
        self._session = session
        self._journal = journal
        self._script = script
        self._pooled = pooled
        self._prefix = 0
        self.done = 0
        """How many statements took effect, this time or before."""

    @property
    def _connection(self) -> psycopg.Connection:
        return self._session.work

    def offset_of(self, position: int) -> int | None:
        """The offset in the script of a position (from 1) in the message last sent."""
        statement = self._script.statements[self.done]
        inside = position - 1 - self._prefix
        return statement.start + inside if 0 <= inside <= len(statement.text) else None

    def prepare(self, resume_at: int | None) -> None:
        """Find out where to begin, and clear away what a broken run left half done.

        `resume_at` is the number of the statement to begin with, by somebody's decision.

        Raises:
            ResumeUnclear: There is no telling what was done; somebody has to decide.
            RunnerBusy: The broken run's server process was at work for as long as we could wait.
            PoolTooSmall: Timeouts are to be set, which takes a direct connection.
        """
        entries = self._journal.read(self._connection)
        self._wait_for(sorted({entry.run for entry in entries}))
        if resume_at is not None:
            self.done = min(resume_at - 1, len(self._script.statements))
            return
        statements = self._script.statements
        for entry in entries:
            now = statements[entry.statement - 1] if entry.statement <= len(statements) else None
            same = now is not None and _alike(entry.script, now)
            if entry.state == "done":
                if not same:
                    raise self._unclear(entry, "it was done, and the file says something else now")
                self.done = entry.statement
            else:
                self._settle(entry, same=same)
                return
        if self.done:
            self._session.tell(Resumed(self._journal.name, self.done))

    def run_next(self) -> tuple[Reply, Blocked | None]:
        """Run the next statement, and note what became of it.

        Returns the reply, and whom the statement waited for.
        """
        number, statement = self.done + 1, self._script.statements[self.done]
        entry = Entry(number, "started", self._session.run, statement.text, frozenset())
        alone = statement.words[0] in ("CALL", "DO")
        reply, blocked = Reply([], [], None), None
        if not alone:
            # The note of a statement that is whole commits together with it.
            head = "".join(["BEGIN;\n", *set_timeouts(self._script.timeouts, local=True)])
            note = self._journal.note(replace(entry, state="done"))
            self._prefix = len(head)
            reply, blocked = self._send(f"{head}{statement.text}\n;\n{note}COMMIT;")
            if reply.error and not reply.lost:
                self._session.roll_back()
        if alone or (reply.error and reply.error.sqlstate in _NEEDS_NO_TRANSACTION):
            reply, blocked = self._run_alone(entry, statement)
        if not reply.error:
            self.done = number
        return reply, blocked

    def _run_alone(self, entry: Entry, statement: Statement) -> tuple[Reply, Blocked | None]:
        build = IndexBuild.of(statement)
        if build:
            entry = replace(entry, indexes=frozenset(self._indexes(build)))
        for setting in set_timeouts(self._script.timeouts, local=False):
            send(self._connection, setting).rows()
        send(self._connection, self._journal.note(entry)).rows()
        self._prefix = 0
        reply, blocked = self._send(statement.text)
        if not reply.error and build and build.if_not_exists and build.name:
            reply = send(self._connection, build.refuse_invalid())
        if not reply.lost:
            state = "failed" if reply.error else "done"
            send(self._connection, self._journal.note(replace(entry, state=state))).rows()
        return reply, blocked

    def _send(self, message: str) -> tuple[Reply, Blocked | None]:
        return self._session.send(message, script=self._journal.name)

    def _settle(self, entry: Entry, *, same: bool) -> None:
        """Find out what became of a statement that is not known to be done."""
        statement = split(entry.script)[0]
        build = IndexBuild.of(statement)
        if build and build.concurrently:
            self._settle_index(entry, build, same=same)
        elif statement.begins("DROP", "INDEX") or statement.words[0] in _REPEATABLE:
            if statement.begins("DROP", "INDEX") and self._is_gone(statement):
                self.done = entry.statement
        elif entry.state == "started" or statement.words[0] in ("CALL", "DO"):
            raise self._unclear(entry, "it was begun, and it is not known whether it took effect")
        if self.done:
            self._session.tell(Resumed(self._journal.name, self.done))

    def _settle_index(self, entry: Entry, build: IndexBuild, *, same: bool) -> None:
        made = {
            oid: found
            for oid, found in self._indexes(build).items()
            if oid not in entry.indexes and build.name in (None, found[1])
        }
        invalid = [qualified for qualified, _, valid in made.values() if not valid]
        if len(made) > 1 or (made and not invalid and not same):
            names = ", ".join(qualified for qualified, *_ in made.values())
            raise self._unclear(entry, f"these indexes are new since it was begun: {names}")
        if invalid:
            drop = f"DROP INDEX CONCURRENTLY {invalid[0]}"
            send(self._connection, drop).rows()
            self._session.tell(Resumed(self._journal.name, self.done, tuple(invalid)))
        elif made:
            self.done = entry.statement

    def _indexes(self, build: IndexBuild) -> dict[int, tuple[str, str, bool]]:
        """The indexes of a table by oid: qualified name, name, and whether it is valid."""
        message = sql.SQL(OF_TABLE).format(table=sql.Literal(build.table)).as_string()
        return {
            int(oid or 0): (str(qualified), str(name), valid == "t")
            for oid, qualified, name, valid in send(self._connection, message).rows()
        }

    def _is_gone(self, statement: Statement) -> bool:
        names = [token for token in statement.tokens[2:] if token.word != "CONCURRENTLY"]
        if [token.word for token in names[:2]] == ["IF", "EXISTS"] or len(names) > 3:
            return False  # then it can simply be run again
        name = sql.Literal("".join(token.text for token in names))
        message = sql.SQL("SELECT to_regclass({name}) IS NULL;").format(name=name).as_string()
        return send(self._connection, message).rows() == [("t",)]

    def _wait_for(self, runs: list[str]) -> None:
        deadline = time.monotonic() + self._session.wait
        told = False
        while runs and self._journal.is_active(self._connection, runs):
            names = ", ".join(runs)
            if time.monotonic() >= deadline:
                raise RunnerBusy(f"what is left of {names}", self._session.wait)
            if not told:
                self._session.tell(Waiting(f"what is left of an earlier run to end ({names})"))
                told = True
            time.sleep(0.2)

    def _unclear(self, entry: Entry, finding: str) -> ResumeUnclear:
        return ResumeUnclear(
            self._journal.name, self._journal.direction, entry.statement, entry.script, finding
        )


def _alike(script: str, statement: Statement) -> bool:
    """Whether two statements differ in comments and blanks at most."""
    found = split(script)
    return len(found) == 1 and [token.text for token in found[0].tokens] == [
        token.text for token in statement.tokens
    ]


def set_timeouts(timeouts: Mapping[str, str], *, local: bool) -> list[str]:
    """Statements that set these, for the transaction or for the session."""
    command = sql.SQL("SET LOCAL" if local else "SET")
    return [
        sql.SQL("{} {} = {};\n")
        .format(command, sql.Identifier(name), sql.Literal(value))
        .as_string()
        for name, value in timeouts.items()
    ]
