"""Several scripts in one message: each is a transaction with its record, and nothing waits between.

The server carries them out one after the other, and stops at the first that fails, with those
before it committed. Only when it has read the whole message does it begin: where a script cannot
even be parsed, none of them runs, and they are sent one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import ScriptFailed
from catalog.migrations.execute import RETRIED, has_ended, interrupt
from catalog.migrations.failure import place_of, report_of
from catalog.migrations.preamble import first_look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.database import Reply
    from catalog.errors import Blocked
    from catalog.migrations.execute import Execution
    from catalog.migrations.parcel import Parcel
    from catalog.migrations.session import Session

# Enough for the way to the server not to matter, and few enough to hear of some before long.
_MOST = 50
_LARGEST = 1_000_000  # characters; a large script gains nothing by company


def settle_together(session: Session, executions: Sequence[Execution]) -> None:
    """Settle scripts in order, several in a message where they are transactions.

    Raises:
        ScriptFailed, Interrupted, RunnerBusy: As for `Execution.settle`; those before the failing
            one are done.
    """
    left = list(executions)
    while left:
        parcels = list(_company(left))
        if len(parcels) < 2:
            left.pop(0).settle()
            continue
        company = left[: len(parcels)]
        try:
            reply, blocked = _send(session, company, parcels)
        except KeyboardInterrupt as exc:
            interrupt(session, company, exc)
        _tell_done(company, parcels, reply)
        if reply.error is None:
            del left[: len(company)]
        else:
            done = _go_on(session, company, parcels, reply, blocked)
            del left[:done]


def _company(executions: Sequence[Execution]) -> Iterator[Parcel]:
    """What can go in the next message: the first, and those that follow it."""
    size = 0
    for execution in executions[:_MOST]:
        if not execution.script.transactional:
            return
        parcel = execution.parcel()
        size += len(parcel.text)
        if size > _LARGEST:
            return
        yield parcel


def _send(
    session: Session, company: Sequence[Execution], parcels: Sequence[Parcel]
) -> tuple[Reply, Blocked | None]:
    name = f"{company[0].name} and {len(company) - 1} more"
    look = min(first_look(parcel.script) for parcel in parcels)
    return session.send("".join(parcel.text for parcel in parcels), script=name, look=look)


def _tell_done(company: Sequence[Execution], parcels: Sequence[Parcel], reply: Reply) -> None:
    """Tell of those that are committed, and how long each took."""
    ended = 0
    for execution, parcel in zip(company, parcels, strict=True):
        ended += parcel.statements
        if ended > len(reply.tags):
            return
        [(*_, took)] = reply.rows_of(ended - 2)  # the last one before the commit tells
        execution.start()
        execution.finish(float(took or 0))


def _go_on(
    session: Session,
    company: Sequence[Execution],
    parcels: Sequence[Parcel],
    reply: Reply,
    blocked: Blocked | None,
) -> int:
    """Settle the one that failed; returns how many are done with it."""
    error = reply.error
    assert error is not None  # noqa: S101
    if reply.lost:
        session.recover()
        return _find_out(company, reply)
    at_commit = has_ended(session)
    session.roll_back()
    if not reply.tags:
        for execution in company:
            execution.settle()
        return len(company)
    number = statements = characters = 0
    while statements + parcels[number].statements <= len(reply.tags):
        statements += parcels[number].statements
        characters += len(parcels[number].text)
        number += 1
    met = parcels[number].failure(
        reply,
        at_commit=at_commit,
        # One before it may have waited as well, and nobody knows now which.
        blocked=blocked if error.sqlstate in RETRIED else None,
        statements_before=statements,
        text_before=characters,
    )
    company[number].settle(met=met)
    return number + 1


def _find_out(company: Sequence[Execution], reply: Reply) -> int:
    """Ask the ledger how far a message came whose answer was lost, and go on from there."""
    names = company[0].recorded()
    done = 0
    while done < len(company) and company[done].is_settled_in(names):
        company[done].start()
        company[done].finish()
        done += 1
    if done < len(company):
        assert reply.error is not None  # noqa: S101
        script = company[done].script
        met = ScriptFailed(place_of(script), report_of(reply.error), lost=True)
        company[done].settle(met=met)
        done += 1
    return done
