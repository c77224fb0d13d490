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

import psycopg
from psycopg import sql

from catalog.database import Reply, send
from catalog.errors import FileProblem, FilesInvalid, ResumeUnclear, RunnerBusy
from catalog.migrations.events import Healed, Resumed, Waiting
from catalog.migrations.indexes import OF_TABLE, IndexBuild, qualified_name, refuse_invalid
from catalog.migrations.journal import CREATION as JOURNAL_CREATION
from catalog.migrations.journal import Entry, Journal
from catalog.migrations.lock import DIVISION_BY_ZERO, WorkUnderWay, work_guard
from catalog.migrations.scanner import split
from catalog.migrations.watch import FIRST_LOOK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.errors import Blocked
    from catalog.migrations.ledger import Ledger
    from catalog.migrations.migration import Script
    from catalog.migrations.scanner import Statement
    from catalog.migrations.session import Session

# "… cannot run inside a transaction block", and a COMMIT inside a procedure.
NEEDS_NO_TRANSACTION = ("25001", "2D000")

# The statements at the head of every step, without those that set timeouts.
_HEAD = ("BEGIN", "SET", "RESET", "RESET", "guard", "ledger", *JOURNAL_CREATION, "claim")

# The entry of the statement is there already, or the whole journal is not there any more.
_TAKEN = ("23505", "42P01")

# What these do twice is what they do once.
_REPEATABLE = ("VACUUM", "ANALYZE", "CHECKPOINT", "CLUSTER", "REFRESH", "SET", "RESET", "LOAD")

# What a script set must not reach the record, the next script or, through a pooler, anybody else.
RESET = """
    SET SESSION AUTHORIZATION DEFAULT;
    RESET ROLE;
    RESET ALL;
"""

LOCK_TIMEOUT = "2s"  # the longest that readers and writers queue up behind a waiting migration


# They hold for a session, and the one of a broken run is gone.
_OF_SESSION = ("SET", "RESET", "LOAD")
_OF_TRANSACTION = ("LOCAL", "CONSTRAINTS", "TRANSACTION")


class UntransactedScript:
    """One script without a transaction, on one session."""

    def __init__(
        self, session: Session, ledger: Ledger, script: Script, *, name: str, direction: str
    ) -> None:
        self._session = session
        self._ledger = ledger
        self._journal = Journal(ledger)
        self._script = script
        self._name = name
        self._direction = direction
        self._prefix = 0
        self.done = 0
        """How many statements took effect, this time or before."""

    def offset_of(self, position: int) -> int | None:
        """The offset in the script of a position (from 1) in the message last sent."""
        statement = self._script.statements[self.done]
        inside = position - 1 - self._prefix
        return statement.start + inside if 0 <= inside <= len(statement.text) else None

    def prepare(self, resume_at: int | None) -> None:
        """Find out where to begin, and clear away what a broken run left half done.

        `resume_at` is the number of the statement to begin with, by somebody's decision.

        Raises:
            FilesInvalid: It sets what a transaction pooler does not keep.
            ResumeUnclear: There is no telling what was done; somebody has to decide.
            RunnerBusy: What is left of the broken run was at work for as long as we could wait.
        """
        if self._ledger.pooled:
            self._refuse_settings()
        entries = self._read_settled()
        if resume_at is not None:
            self._begin_at(resume_at, entries)
        else:
            self._begin_after(entries)
        if entries:
            send(self._session.work, self._journal.forget_from(self.done + 1)).rows()
        if self.done:
            self._session.tell(Resumed(self._name, self.done))

    def run_next(self) -> tuple[Reply, Blocked | None]:
        """Run the next statement, and note what became of it.

        Returns the reply, and whom the statement waited for.

        Raises:
            WorkUnderWay: Another runner is at it, or has done it all.
        """
        statement = self._script.statements[self.done]
        entry = self._entry(self.done + 1, statement, "started")
        alone = statement.words[0] in ("CALL", "DO")
        reply, blocked = Reply([], [], None), None
        if not alone:
            # The note of a statement that is whole commits together with it.
            timeouts = {"lock_timeout": LOCK_TIMEOUT, **self._script.timeouts}
            head = self._head(replace(entry, state="done"), timeouts, local=True)
            self._prefix = len(head)
            check = refuse_invalid([statement])
            reply, blocked = self._send(f"{head}{statement.text}\n;\n{check}COMMIT;")
            self._check_head(reply, timeouts)
        if alone or (reply.error and reply.error.sqlstate in NEEDS_NO_TRANSACTION):
            reply, blocked = self._run_alone(entry, statement)
        if not reply.error:
            self.done += 1
        return reply, blocked

    def _run_alone(self, entry: Entry, statement: Statement) -> tuple[Reply, Blocked | None]:
        connection = self._session.work
        build = IndexBuild.of(statement)
        if build:
            entry = replace(entry, indexes=frozenset(self._indexes(build)))
        reply = send(connection, self._head(entry, self._script.timeouts, local=False) + "COMMIT;")
        self._check_head(reply, self._script.timeouts)
        if reply.error:
            return reply, None
        self._prefix = 0
        reply, blocked = self._send(statement.text)
        if not reply.error:
            check = refuse_invalid([statement])
            reply = send(connection, check) if check else reply
        if not reply.lost:
            state = "failed" if reply.error else "done"
            send(connection, self._journal.settle(entry.statement, state)).rows()
        return reply, blocked

    def _head(self, entry: Entry, timeouts: Mapping[str, str], *, local: bool) -> str:
        """The beginning of a transaction: our own statements, as ourselves, then the settings.

        What the script set so far holds for its next statement, and not for ours; so it is set
        anew every time, which also serves a script that goes on in another session.
        """
        before = self._script.statements[: self.done]
        return "".join(
            [
                "BEGIN READ WRITE;",
                RESET,
                *set_values(timeouts, local=local),
                work_guard(self._ledger.key),
                self._ledger.refuse_recorded(self._name, recorded=self._direction == "up"),
                self._journal.create(),
                self._journal.claim(entry),
                *(f"{each.text};\n" for each in before if _is_of_session(each)),
                # Should we be killed, this is how the next run finds what is left of this one.
                *set_values({"application_name": self._session.run}, local=False),
            ]
        )

    def _check_head(self, reply: Reply, timeouts: Mapping[str, str]) -> None:
        """Roll back what failed; see whether it was the guard or the claim in its head."""
        if reply.error is None or reply.lost:
            return
        self._session.roll_back()
        of_head = len(reply.tags) < len(_HEAD) + len(timeouts)
        if of_head and reply.error.sqlstate in (DIVISION_BY_ZERO, *_TAKEN):
            raise WorkUnderWay

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
        self.done = number - 1
        notes = [
            self._journal.claim(self._entry(each, statement, "done"))
            for each, statement in enumerate(statements[: self.done], start=1)
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
            self.done = entry.statement

    def _settle(self, entry: Entry, *, same: bool) -> None:
        """Find out what became of a statement that is not known to be done."""
        statement = split(entry.script)[0]
        build = IndexBuild.of(statement)
        if build and build.concurrently:
            self._settle_index(entry, build, same=same)
        elif statement.begins("DROP", "INDEX"):
            if self._is_gone(statement):
                self.done = entry.statement
        elif statement.words[0] not in _REPEATABLE and (
            entry.state == "started" or statement.words[0] in ("CALL", "DO")
        ):
            raise self._unclear(entry, [entry], "was begun; whether it took effect is not known")

    def _settle_index(self, entry: Entry, build: IndexBuild, *, same: bool) -> None:
        made = {
            oid: found
            for oid, found in self._indexes(build).items()
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
            self.done = entry.statement

    def _indexes(self, build: IndexBuild) -> dict[int, tuple[str, str, bool]]:
        """The indexes of a table by oid: qualified name, name, and whether it is valid."""
        message = sql.SQL(OF_TABLE).format(table=sql.Literal(build.table)).as_string()
        return {
            int(oid or 0): (str(qualified), str(name), valid == "t")
            for oid, qualified, name, valid in send(self._session.work, message).rows()
        }

    def _is_gone(self, statement: Statement) -> bool:
        words = statement.words
        first = 2 + (words[2:3] == ("CONCURRENTLY",))
        if words[first : first + 2] == ("IF", "EXISTS"):
            return False  # then it can simply be run again
        name = sql.Literal(qualified_name(statement, first))
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

    def _refuse_settings(self) -> None:
        """Refuse what would reach other clients of the pooler, and not the next statement."""
        setting = next(
            (each for each in self._script.statements if each.words[0] in _OF_SESSION), None
        )
        if setting or self._script.timeouts:
            raise FilesInvalid(
                [
                    FileProblem(
                        self._script.path,
                        "sets something for a session, which a transaction pooler does not keep",
                        "use a direct connection: DATABASE_URL_UNPOOLED",
                        text=self._script.text,
                        offset=setting.start if setting else 0,
                    )
                ]
            )

    def _send(self, message: str) -> tuple[Reply, Blocked | None]:
        return self._session.send(message, script=self._name, look=first_look(self._script))

    def _entry(self, number: int, statement: Statement, state: str) -> Entry:
        run = self._session.run
        return Entry(self._name, self._direction, number, state, run, statement.text, frozenset())

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


def _is_of_session(statement: Statement) -> bool:
    words = statement.words
    if words[0] in _OF_SESSION:
        return words[1] not in _OF_TRANSACTION
    return words[0] == "SELECT" and "SET_CONFIG" in words[:4]


def first_look(script: Script) -> float:
    """When to look what a script waits for, in seconds: before its lock_timeout can strike."""
    value = script.timeouts.get("lock_timeout", LOCK_TIMEOUT)
    milliseconds = int(value[:-2]) if value.endswith("ms") else 1000
    return min(FIRST_LOOK, milliseconds / 2000) if milliseconds else FIRST_LOOK


def set_values(values: Mapping[str, str], *, local: bool) -> list[str]:
    """Statements that set these, for the transaction or for the session."""
    command = sql.SQL("SET LOCAL" if local else "SET")
    return [
        sql.SQL("{} {} = {};\n")
        .format(command, sql.Identifier(name), sql.Literal(value))
        .as_string()
        for name, value in values.items()
    ]
