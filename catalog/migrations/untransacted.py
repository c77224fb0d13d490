"""Scripts that say `-- migrate: no-transaction`: statement by statement, and resumable.

Every statement that can be is made one transaction with its entry in the journal, so that there
is no doubt about it. Some cannot (`CREATE INDEX CONCURRENTLY` and its like): those are noted
before and after; what a broken run left in doubt, `catalog.migrations.resume` settles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.database import Reply, send
from catalog.errors import FileProblem, FilesInvalid
from catalog.migrations.events import Resumed
from catalog.migrations.indexes import IndexBuild, indexes_on, refuse_invalid
from catalog.migrations.journal import CREATION as JOURNAL_CREATION
from catalog.migrations.journal import Entry, Journal
from catalog.migrations.lock import DIVISION_BY_ZERO, WorkUnderWay, work_guard
from catalog.migrations.preamble import RESET, first_look, set_values, timeouts
from catalog.migrations.resume import MAY_COMMIT, Resumption

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
        self._settings = [
            (number, f"{each.text};\n")
            for number, each in enumerate(script.statements)
            if _is_of_session(each)
        ]
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

        Raises:
            FilesInvalid: It sets what a transaction pooler does not keep.
            FilesInvalid, ResumeUnclear, RunnerBusy: See `Resumption.settle`.
        """
        if self._ledger.pooled:
            self._refuse_settings()
        broken = Resumption(
            self._session, self._ledger, self._script, name=self._name, direction=self._direction
        )
        self.done = broken.settle(resume_at)
        if self.done:
            self._session.tell(Resumed(self._name, self.done))

    def run_next(self) -> tuple[Reply, Blocked | None]:
        """Run the next statement, and note what became of it.

        Returns the reply, and whom the statement waited for.

        Raises:
            WorkUnderWay: Another runner is at it, or has done it all.
        """
        statement = self._script.statements[self.done]
        number, run = self.done + 1, self._session.run
        entry = Entry(self._name, self._direction, number, "started", run, statement.text)
        alone = statement.first_words(1)[0] in MAY_COMMIT
        reply, blocked = Reply([], [], None), None
        if not alone:
            # The note of a statement that is whole commits together with it.
            limits = timeouts(self._script)
            head = self._head(replace(entry, state="done"), limits, local=True)
            self._prefix = len(head)
            check = "".join(refuse_invalid([statement]))
            reply, blocked = self._send(f"{head}{statement.text}\n;\n{check}COMMIT;")
            self._check_head(reply, limits)
        if alone or (reply.error and reply.error.sqlstate in NEEDS_NO_TRANSACTION):
            reply, blocked = self._run_alone(entry, statement)
        if not reply.error:
            self.done += 1
        return reply, blocked

    def _run_alone(self, entry: Entry, statement: Statement) -> tuple[Reply, Blocked | None]:
        connection = self._session.work
        build = IndexBuild.of(statement)
        if build:
            entry = replace(entry, indexes=frozenset(indexes_on(connection, build)))
        reply = send(connection, self._head(entry, self._script.timeouts, local=False) + "COMMIT;")
        self._check_head(reply, self._script.timeouts)
        if reply.error:
            return reply, None
        self._prefix = 0
        reply, blocked = self._send(statement.text)
        if not reply.error:
            check = "".join(refuse_invalid([statement]))
            reply = send(connection, check) if check else reply
        if not reply.lost:
            state = "failed" if reply.error else "done"
            send(connection, self._journal.settle(entry.statement, state)).rows()
        return reply, blocked

    def _head(self, entry: Entry, limits: Mapping[str, str], *, local: bool) -> str:
        """The beginning of a transaction: our own statements, as ourselves, then the settings.

        What the script set so far holds for its next statement, and not for ours; so it is set
        anew every time, which also serves a script that goes on in another session.
        """
        before = [text for number, text in self._settings if number < self.done]
        return "".join(
            [
                "BEGIN READ WRITE;",
                RESET,
                *set_values(limits, local=local),
                work_guard(self._ledger.key),
                self._ledger.refuse_recorded(self._name, recorded=self._direction == "up"),
                self._journal.create(),
                self._journal.claim(entry),
                *before,
                # Should we be killed, this is how the next run finds what is left of this one.
                *set_values({"application_name": self._session.run}, local=False),
            ]
        )

    def _check_head(self, reply: Reply, limits: Mapping[str, str]) -> None:
        """Roll back what failed; see whether it was the guard or the claim in its head."""
        if reply.error is None or reply.lost:
            return
        self._session.roll_back()
        of_head = len(reply.tags) < len(_HEAD) + len(limits)
        if of_head and reply.error.sqlstate in (DIVISION_BY_ZERO, *_TAKEN):
            raise WorkUnderWay

    def _refuse_settings(self) -> None:
        """Refuse what would reach other clients of the pooler, and not the next statement."""
        statements = self._script.statements
        setting = next((each for each in statements if each.first_words(1)[0] in _OF_SESSION), None)
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


def _is_of_session(statement: Statement) -> bool:
    words = statement.first_words(4)
    if words[0] in _OF_SESSION:
        return words[1] not in _OF_TRANSACTION
    return words[0] == "SELECT" and "SET_CONFIG" in words
