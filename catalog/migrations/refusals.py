"""What keeps `up` and `down` from beginning: files and ledger that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import Edited, HalfDone, HistoryRefused, Late
from catalog.migrations.journal import Journal
from catalog.migrations.plan import next_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from catalog.migrations.journal import Entry
    from catalog.migrations.ledger import Ledger
    from catalog.migrations.migration import Migration
    from catalog.migrations.plan import History


def refuse_edited(history: History, ledger: Ledger, connection: psycopg.Connection) -> None:
    """See that no applied file was changed. One round trip if one was, to show how.

    Raises:
        HistoryRefused: Some were.
    """
    if not (edited := history.edited):
        return
    applied = ledger.read_scripts(connection, [migration.name for migration in edited])
    raise HistoryRefused(
        edited=[
            Edited(each.name, each.up.path, applied[each.name][0], each.up.text) for each in edited
        ]
    )


def refuse_late(chosen: Sequence[Migration], history: History) -> None:
    """See that none of these is numbered below what is applied.

    Raises:
        HistoryRefused: Some are; it has the next free numbers for them.
    """
    late = [each for each in history.late if each in chosen]
    if not late:
        return
    names = [*(each.name for each in history.migrations), *(row.name for row in history.missing)]
    renumbered = []
    for migration in late:
        number = next_number(names)
        names.append(f"{number}_")
        scripts = [script.path for script in (migration.up, migration.down) if script]
        renumbered.append(Late(migration.name, tuple(scripts), number))
    raise HistoryRefused(late=renumbered)


def broken_off(ledger: Ledger, connection: psycopg.Connection) -> Entry | None:
    """The last statement that was begun of a script that broke off, if one did."""
    if not ledger.half_done:
        return None
    entries = Journal(ledger).read(connection)
    return entries[-1] if entries else None


def half_done(broken: Entry, ledger: Ledger, history: History) -> HalfDone:
    """The error that nothing runs before a script that broke off is whole."""
    done = broken.statement - (broken.state != "done")
    migration, obstacle = history.by_name.get(broken.name), ""
    if broken.direction == "up" and migration is None:
        obstacle = "Its file is gone: bring it back"
    elif broken.direction == "up" and migration and not migration.up.runs_in_steps:
        obstacle = "Its file says now that it is one transaction: restore its first line"
    return HalfDone(broken.name, broken.direction, done, ledger.journal_name, obstacle)
