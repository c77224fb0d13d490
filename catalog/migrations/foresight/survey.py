"""The target as it is, read in one read-only transaction: nothing of it is ever changed here."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import connect, send
from catalog.migrations.events import Waiting
from catalog.migrations.foresight.fingerprint import Fingerprint
from catalog.migrations.ledger import Ledger
from catalog.migrations.migration import Migration, Script, version_of
from catalog.migrations.plan import History
from catalog.migrations.refusals import broken_off, half_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import psycopg

    from catalog.migrations.events import Event
    from catalog.migrations.session import Target

# One snapshot for all that is read, and nothing can be written by mistake.
_BEGIN = """
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL lock_timeout = {};
"""


@dataclass(frozen=True)
class Survey:
    """A target, for as long as its transaction is open."""

    connection: psycopg.Connection
    ledger: Ledger
    history: History

    def fingerprint(self, *, without: Sequence[str] = ()) -> Fingerprint:
        """Its schema, without the ledger and these tables. One round trip."""
        ours = [self.ledger.key, ".".join(self.ledger.journal_name)]
        return Fingerprint.read(self.connection, without=[*ours, *without])

    def applied(self) -> list[Migration]:
        """What was applied, in that order: the files, or the ledger's texts where there is none.

        One round trip, or none.
        """
        by_name = self.history.by_name
        missing = [row.name for row in self.history.missing]
        kept = self.ledger.read_scripts(self.connection, missing)
        return [
            by_name[row.name] if row.name in by_name else _from_ledger(row.name, *kept[row.name])
            for row in self.history.applied
        ]

    @property
    def version(self) -> int:
        """Of the server, as in `server_version_num`."""
        return self.connection.info.server_version

    @property
    def half_done(self) -> str | None:
        """The migration whose script broke off, if one did. One round trip, or none."""
        broken = broken_off(self.ledger, self.connection)
        return broken.name if broken else None

    def refuse_half_done(self) -> None:
        """See that no script without a transaction is half done.

        Raises:
            HalfDone: One is, so that the schema is that of no version.
        """
        if broken := broken_off(self.ledger, self.connection):
            raise half_done(broken, self.ledger, self.history)


@contextmanager
def surveyed(
    target: Target,
    migrations: Sequence[Migration],
    *,
    table: str,
    wait: float,
    tell: Callable[[Event], None],
) -> Iterator[Survey]:
    """Read a target. Two round trips, and one for each thing that is asked of the survey.

    Raises:
        DatabaseUnavailable: There is no connection.
        LedgerUnusable: There is another tool's table in the ledger's place.
    """
    connection = connect(
        target.conninfo,
        origin=target.origin,
        place=target.place,
        application_name="catalog-survey",
        wait=wait,
        on_wait=lambda cause: tell(Waiting(f"{target.place}: {cause}")),
    )
    with closing(connection):  # no COMMIT: that would be one more trip
        # Definitions of what somebody has locked cannot be read; 0 would be to wait for ever.
        patience = sql.Literal(f"{max(1, round(wait * 1000))}ms")
        begin = sql.SQL(_BEGIN).format(patience).as_string()
        ledger = Ledger.locate(connection, table, begin=begin)
        yield Survey(connection, ledger, History(migrations, ledger.read(connection)))
        if ledger.pooled:
            # A pooler throws away what is closed in the middle of a transaction.
            send(connection, "ROLLBACK")


def _from_ledger(name: str, up: str, down: str | None) -> Migration:
    path = f"{name}.{{}}.sql (kept in the ledger)"
    return Migration(
        name,
        version_of(name),
        Script(path.format("up"), up),
        None if down is None else Script(path.format("down"), down),
    )
