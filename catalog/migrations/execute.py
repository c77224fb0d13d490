"""One script, run with its record until it is done, by us or somebody else, or is not going to be.

A transactional script is one message to the server, and so one round trip: its transaction, the
work lock, its row in the ledger, the script, and the commit. Either all of it happens or nothing.
"""

from __future__ import annotations

import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from catalog.errors import (
    CatalogError,
    Interrupted,
    PostgresReport,
    ScriptFailed,
)
from catalog.migrations.events import Finished, Retrying, Started
from catalog.migrations.failure import offset_of, place_of, report_of
from catalog.migrations.indexes import refuse_invalid
from catalog.migrations.journal import Journal
from catalog.migrations.lock import DIVISION_BY_ZERO, WorkUnderWay, work_guard
from catalog.migrations.preamble import first_look, reset, set_values, timeouts
from catalog.migrations.untransacted import NEEDS_NO_TRANSACTION, UntransactedScript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.database import Reply
    from catalog.migrations.ledger import Ledger
    from catalog.migrations.migration import Script
    from catalog.migrations.session import Session

# Nothing is wrong with the script: lock_not_available, deadlock_detected, serialization_failure.
_WORTH_RETRYING = ("55P03", "40P01", "40001")
_TAKEN = "23505"
_STOPPED_BY_HAND = "57P01"
_LONGEST_PAUSE = 10.0  # seconds between two attempts
_LONGEST_GOODBYE = 2.0  # seconds to find out what became of an interrupted script


class Execution:
    """A script on its way, and the statements that write or remove its row around it."""

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        script: Script,
        *,
        name: str,
        direction: str,
        record: Callable[[float | None], tuple[str, str]],
        done: Callable[[Finished], None],
    ) -> None:
        """`record` is told how long the script took, in seconds, where its transaction cannot.

        `done` is called once the ledger has or has not the row, as it should.
        """
        self._session = session
        self._ledger = ledger
        self._script = script
        self._name = name
        self._direction = direction
        self._record = record
        self._done = done
        self._began = time.monotonic()
        self._pause = 0.25
        self._lost = 0
        self._statements_done = 0

    def settle(self, resume_at: int | None) -> None:
        """Run the script, as often as it takes.

        Raises:
            ScriptFailed: Postgres refused it.
            Interrupted: Ctrl-C or SIGTERM arrived.
            ResumeUnclear, RunnerBusy, FilesInvalid: See `UntransactedScript.prepare`.
        """
        self._session.tell(Started(self._name, self._direction))
        try:
            while not self._attempt(resume_at):
                # Only the ledger can tell what became of a lost answer or another one's work.
                if self._is_settled():
                    self._finish(by_other=not self._lost)
                    return
        except KeyboardInterrupt as exc:
            self._interrupt(exc.args[0] if exc.args else signal.SIGINT)
        self._finish()

    def _attempt(self, resume_at: int | None) -> bool:
        """Run it once; `False` if the ledger has to be asked, and then perhaps tried again."""
        try:
            if self._script.transactional:
                self._run()
            else:
                self._run_in_steps(resume_at)
        except WorkUnderWay:
            self._session.wait_for_work()
            return False
        except ScriptFailed as exc:
            return self._after_failure(exc)
        return True

    def _after_failure(self, failure: ScriptFailed) -> bool:
        sqlstate = failure.report.sqlstate
        left = self._session.wait - (time.monotonic() - self._began)
        if sqlstate in NEEDS_NO_TRANSACTION and self._script.may_run_alone:
            self._script = replace(self._script, alone=True)
        elif sqlstate in _WORTH_RETRYING and failure.done == 0 and left > self._pause:
            self._session.tell(
                Retrying(self._name, failure.report.message, self._pause, failure.blocked)
            )
            time.sleep(self._pause * random.uniform(0.5, 1.5))  # noqa: S311
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        elif failure.lost:
            self._lost += 1
            self._session.recover()
            # Whoever ends a script by hand, or one that ends the server, is not tried again.
            again = sqlstate != _STOPPED_BY_HAND and self._lost == 1
            if not again and not self._is_settled():
                raise failure
        elif sqlstate != _TAKEN or failure.offset is not None or not self._is_settled():
            raise failure
        return False

    def _is_settled(self) -> bool:
        names = {row.name for row in self._ledger.read(self._session.work)}
        return (self._name in names) == (self._direction == "up")

    def _finish(self, *, by_other: bool = False) -> None:
        took = (time.monotonic() - self._began) * 1000
        self._done(Finished(self._name, self._direction, took, by_other))

    def _interrupt(self, number: int) -> None:
        """Stop what runs, and find out whether it was done all the same.

        Raises:
            Interrupted: Always.
        """
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        try:
            self._session.stop(patience=_LONGEST_GOODBYE)
            if self._is_settled():
                self._finish()
                raise Interrupted(number)
        except (CatalogError, psycopg.Error) as exc:
            if isinstance(exc, Interrupted):
                raise
            raise Interrupted(number, place_of(self._script), known=False) from exc
        raise Interrupted(number, place_of(self._script), done=self._statements_done)

    def _run(self) -> None:
        """Run the script as one transaction with its record."""
        script = self._script
        before, after = self._record(None)
        head = [
            "BEGIN;\n",
            *set_values(timeouts(script), local=True),
            work_guard(self._ledger.key),
            before,
        ]
        check, undo = refuse_invalid(script.statements), reset(self._ledger, self._session.run)
        tail = f"{check}{undo}{after}COMMIT;"
        send_script(self._session, script, head, tail, name=self._name)

    def _run_in_steps(self, resume_at: int | None) -> None:
        """Run the script statement by statement, and write or remove its record at the end."""
        script = self._script
        steps = UntransactedScript(
            self._session, self._ledger, script, name=self._name, direction=self._direction
        )
        steps.prepare(resume_at)
        self._statements_done = steps.done
        while steps.done < len(script.statements):
            reply, blocked = steps.run_next()
            self._statements_done = steps.done
            if reply.error:
                position = reply.error.diag.statement_position
                inside = steps.offset_of(int(position)) if position else None
                statement = offset_of(script, steps.done, reply.error)
                raise ScriptFailed(
                    place_of(script),
                    report_of(reply.error),
                    offset=statement if inside is None else inside,
                    done=steps.done,
                    blocked=blocked,
                    lost=reply.lost,
                ) from reply.error
        guard, drop = work_guard(self._ledger.key), Journal(self._ledger).drop()
        row = "".join(self._record(time.monotonic() - self._began))
        undo = reset(self._ledger, self._session.run)
        message = f"BEGIN READ WRITE;{undo}{guard}{row}{drop}COMMIT;"
        reply, _ = self._session.send(message, script=self._name)
        if reply.error is None:
            return
        if not reply.lost:
            self._session.roll_back()
        if reply.error.sqlstate == DIVISION_BY_ZERO:
            raise WorkUnderWay
        raise ScriptFailed(
            place_of(script), report_of(reply.error), done=steps.done, lost=reply.lost
        ) from reply.error


def send_script(
    session: Session, script: Script, head: Sequence[str], tail: str, *, name: str = ""
) -> Reply:
    """Send a script between statements of ours, as one transaction in one message.

    Raises:
        ScriptFailed: Postgres refused it, and it was rolled back; or the connection broke.
        WorkUnderWay: A transaction of an earlier runner has not ended yet.
    """
    before = "".join(head)
    message = f"{before}{script.body}\n;\n{tail}"
    reply, blocked = session.send(message, script=name, look=first_look(script))
    if reply.error is None:
        return reply
    at_commit = session.work.pgconn.transaction_status == TransactionStatus.IDLE
    if not reply.lost:
        session.roll_back()
    failed = len(reply.tags) - len(head)
    if reply.error.sqlstate == DIVISION_BY_ZERO:
        if failed < 0:
            raise WorkUnderWay
        if failed >= len(script.statements) and not at_commit:
            report = PostgresReport(None, "it takes its own row out of the ledger")
            raise ScriptFailed(place_of(script), report) from reply.error
    position = reply.error.diag.statement_position
    offset = offset_of(script, failed, reply.error)
    if position and (inside := int(position) - 1 - len(before)) >= 0:
        # At the end of the file Postgres points at the semicolon that we put there.
        offset = min(inside, len(script.text.rstrip()))
    raise ScriptFailed(
        place_of(script), report_of(reply.error), offset=offset, blocked=blocked, lost=reply.lost
    ) from reply.error
