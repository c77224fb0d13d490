"""One script, run with its record until it is done, by us or somebody else, or is not going to be.

A transactional script is one message to the server, and so one round trip: its transaction, the
work lock, its row in the ledger, the script, and the commit. Either all of it happens or nothing.
"""

from __future__ import annotations

import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import psycopg
from psycopg.pq import TransactionStatus

from catalog.errors import CatalogError, Interrupted, ScriptFailed
from catalog.migrations.events import Finished, Retrying, Started
from catalog.migrations.failure import offset_of, place_of, report_of
from catalog.migrations.indexes import refuse_invalid
from catalog.migrations.journal import Journal
from catalog.migrations.lock import DIVISION_BY_ZERO, WorkUnderWay, work_guard
from catalog.migrations.parcel import Parcel
from catalog.migrations.preamble import first_look, reset, set_values, timeouts
from catalog.migrations.resume import MAY_COMMIT
from catalog.migrations.untransacted import NEEDS_NO_TRANSACTION, UntransactedScript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from catalog.database import Reply
    from catalog.migrations.ledger import Ledger
    from catalog.migrations.migration import Script
    from catalog.migrations.session import Session

RETRIED = ("55P03", "40P01", "40001")
"""The script is not to blame: lock_not_available, deadlock_detected, serialization_failure."""
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
        self.script = script
        self.name = name
        self._direction = direction
        self._record = record
        self._done = done
        self._began = time.monotonic()
        self._pause = 0.25
        self._lost = 0
        self.statements_done = 0

    def settle(
        self, resume_at: int | None = None, *, met: ScriptFailed | WorkUnderWay | None = None
    ) -> None:
        """Run the script, as often as it takes; `met` is what came of an attempt already made.

        Raises:
            ScriptFailed: Postgres refused it.
            Interrupted: Ctrl-C or SIGTERM arrived.
            ResumeUnclear, RunnerBusy, FilesInvalid: See `UntransactedScript.prepare`.
        """
        self.start()
        try:
            done = self._go_on_after(met) if met else self._attempt(resume_at)
            while not done:
                # Only the ledger can tell what became of a lost answer or another one's work.
                if self._is_settled():
                    self.finish(by_other=not self._lost)
                    return
                done = self._attempt(resume_at)
        except KeyboardInterrupt as exc:
            interrupt(self._session, [self], exc)
        self.finish()

    def _attempt(self, resume_at: int | None) -> bool:
        """Run it once; `False` if the ledger has to be asked, and then perhaps tried again."""
        try:
            if self.script.transactional:
                send_parcel(self._session, self.parcel(), name=self.name)
            else:
                self._run_in_steps(resume_at)
        except (ScriptFailed, WorkUnderWay) as exc:
            return self._go_on_after(exc)
        return True

    def _go_on_after(self, failure: ScriptFailed | WorkUnderWay) -> bool:
        if isinstance(failure, WorkUnderWay):
            self._session.wait_for_work()
            return False
        sqlstate = failure.report.sqlstate
        left = self._session.wait - (time.monotonic() - self._began)
        if sqlstate in NEEDS_NO_TRANSACTION and self.script.may_run_alone:
            self.script = replace(self.script, alone=True)
        elif sqlstate in RETRIED and failure.done == 0 and left > self._pause:
            self._session.tell(
                Retrying(self.name, failure.report.message, self._pause, failure.blocked)
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
        return self.is_settled_in(self.recorded())

    def recorded(self) -> set[str]:
        """The names that the ledger has now. One round trip."""
        return {row.name for row in self._ledger.read(self._session.work)}

    def is_settled_in(self, names: set[str]) -> bool:
        """Whether it is done, if the ledger has these names."""
        return (self.name in names) == (self._direction == "up")

    def start(self) -> None:
        """Tell that it begins."""
        self._session.tell(Started(self.name, self._direction))
        self._began = time.monotonic()

    def finish(self, took: float | None = None, *, by_other: bool = False) -> None:
        """Tell that it is done; it took so many milliseconds, or the time since it was begun."""
        if took is None:
            took = (time.monotonic() - self._began) * 1000
        self._done(Finished(self.name, self._direction, took, by_other))

    def parcel(self) -> Parcel:
        """The script as one transaction with its record."""
        script = self.script
        before, after = self._record(None)
        return Parcel(
            script,
            [
                "BEGIN;\n",
                *set_values(timeouts(script), local=True),
                work_guard(self._ledger.key),
                before,
            ],
            [
                *refuse_invalid(script.statements),
                *reset(self._ledger, self._session.run),
                after,
                "COMMIT;\n",
            ],
        )

    def _run_in_steps(self, resume_at: int | None) -> None:
        """Run the script statement by statement, and write or remove its record at the end."""
        script = self.script
        steps = UntransactedScript(
            self._session, self._ledger, script, name=self.name, direction=self._direction
        )
        steps.prepare(resume_at)
        self.statements_done = steps.done
        while steps.done < len(script.statements):
            reply, blocked = steps.run_next()
            self.statements_done = steps.done
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
                    in_doubt=script.statements[steps.done].first_words(1)[0] in MAY_COMMIT,
                ) from reply.error
        guard, drop = work_guard(self._ledger.key), Journal(self._ledger).drop()
        row = "".join(self._record(time.monotonic() - self._began))
        undo = "".join(reset(self._ledger, self._session.run))
        message = f"BEGIN READ WRITE;{undo}{guard}{row}{drop}COMMIT;"
        reply, _ = self._session.send(message, script=self.name)
        if reply.error is None:
            return
        if not reply.lost:
            self._session.roll_back()
        if reply.error.sqlstate == DIVISION_BY_ZERO:
            raise WorkUnderWay
        raise ScriptFailed(
            place_of(script), report_of(reply.error), done=steps.done, lost=reply.lost
        ) from reply.error


def interrupt(
    session: Session, executions: Sequence[Execution], exc: KeyboardInterrupt
) -> NoReturn:
    """Stop what runs, and find out what was done of it all the same.

    Raises:
        Interrupted: Always.
    """
    number = exc.args[0] if exc.args else signal.SIGINT
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    left = list(executions)
    try:
        session.stop(patience=_LONGEST_GOODBYE)
        names = left[0].recorded()
        while left and left[0].is_settled_in(names):
            left.pop(0).finish()
    except (CatalogError, psycopg.Error) as unknown:
        raise Interrupted(number, place_of(left[0].script), known=False) from unknown
    if not left:
        raise Interrupted(number)
    raise Interrupted(number, place_of(left[0].script), done=left[0].statements_done)


def send_parcel(session: Session, parcel: Parcel, *, name: str = "") -> Reply:
    """Send a script's transaction as one message.

    Raises:
        ScriptFailed: Postgres refused it, and it was rolled back; or the connection broke.
        WorkUnderWay: A transaction of an earlier runner has not ended yet.
    """
    reply, blocked = session.send(parcel.text, script=name, look=first_look(parcel.script))
    if reply.error:
        at_commit = has_ended(session)
        if not reply.lost:
            session.roll_back()
        raise parcel.failure(reply, at_commit=at_commit, blocked=blocked) from reply.error
    return reply


def has_ended(session: Session) -> bool:
    """Whether the server has ended the transaction itself: in a commit that failed."""
    return session.work.pgconn.transaction_status == TransactionStatus.IDLE
