"""`check`: every migration up, down and up again, and what is left or lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.errors import ScriptFailed
from catalog.migrations.foresight.differences import compare
from catalog.migrations.foresight.rehearsal import OUR_TABLES
from catalog.migrations.plan import find_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.migrations.foresight.differences import Difference
    from catalog.migrations.foresight.fingerprint import Fingerprint
    from catalog.migrations.foresight.rehearsal import Rehearsal
    from catalog.migrations.migration import Migration, Script

_TABLES = """
    SELECT namespace.nspname,
           class.relname,
           concat_ws('.', nullif(quote_ident(nspname), 'public'), quote_ident(relname))
      FROM pg_class AS class
      JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
     WHERE class.relkind = 'r'
       AND namespace.nspname <> 'information_schema'
       AND namespace.nspname !~ '^pg_'
       AND namespace.nspname || '.' || class.relname <> ALL (%s)
     ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Checked:
    """What came of one migration."""

    migration: Migration
    not_restored: Sequence[Difference] = ()
    """Between before its up and after its down."""
    not_repeated: Sequence[Difference] = ()
    """Between after its first up and after its second."""
    failure: ScriptFailed | None = None
    failed_in: str = ""
    """`up`, `down`, or `up again`."""
    with_rows: bool = False
    """Whether its down and up were tried with rows in the tables."""
    rows_lost: Sequence[RowsLost] = ()
    """What these cost."""
    notes: Sequence[Difference] = ()
    """Orders of columns that its down did not restore: none can."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        lost = any(not each.dropped for each in self.rows_lost)
        return not (self.not_restored or self.not_repeated or self.failure or lost)


@dataclass(frozen=True)
class RowsLost:
    """A table that had more rows before its newest migration was taken down and up again."""

    table: str
    before: int
    after: int
    dropped: bool
    """Whether its down drops the table, so that the rows cannot but go."""


@dataclass
class Check:
    """Migrations on their way through a rehearsal."""

    rehearsal: Rehearsal
    total: int = 0
    """How many there are to check, once it runs."""
    _now: Fingerprint = field(init=False)

    def run(
        self, migrations: Sequence[Migration], *, since: str | None, seed: Script | None
    ) -> Iterator[Checked]:
        """Check those after the version `since` (all, if `None`), one by one.

        Where one cannot be taken down or up again, it goes on from an empty database with the ups
        alone; it ends with the first that does not apply, since those after it build on it.

        Raises:
            UnknownVersion: No migration is called `since`.
            ScriptFailed: One before them, or the seed, did not run.
        """
        first = 0
        if since is not None:
            version = find_version(since, [each.name for each in migrations])
            first = sum(each.version <= version for each in migrations)
        self.total = len(migrations) - first
        self._apply(migrations[:first])
        for number, migration in enumerate(migrations[first:], start=first + 1):
            checked = self._check(migration)
            yield checked
            if checked.failed_in == "up":
                return
            if checked.failure:
                self.rehearsal.start_over()
                self._apply(migrations[:number])
        if seed is not None and migrations:
            self.rehearsal.run_seed(seed)
            yield self._check_with_rows(migrations[-1])

    def _apply(self, migrations: Sequence[Migration]) -> None:
        for migration in migrations:
            self.rehearsal.apply(migration)
        self._now = self.rehearsal.fingerprint()

    def _check(self, migration: Migration) -> Checked:
        stage = "up"
        restored: list[Difference] = []
        try:
            before = self._now
            self.rehearsal.apply(migration)
            self._now = up = self.rehearsal.fingerprint()
            if migration.down is None:
                return Checked(migration)
            stage = "down"
            self.rehearsal.revert(migration, migration.down)
            restored = compare(before, self.rehearsal.fingerprint())
            stage = "up again"
            self.rehearsal.apply(migration)
            self._now = self.rehearsal.fingerprint()
        except ScriptFailed as exc:
            return Checked(migration, _findings(restored), failure=exc, failed_in=stage)
        repeated = compare(up, self._now)
        return Checked(
            migration,
            _findings(restored),
            _findings(repeated),
            notes=[each for each in (*restored, *repeated) if each.order_only],
        )

    def _check_with_rows(self, migration: Migration) -> Checked:
        if migration.down is None:
            return Checked(migration, with_rows=True)
        before, stage = self._rows(), "down"
        try:
            self.rehearsal.revert(migration, migration.down)
            between = self._rows()
            stage = "up again"
            self.rehearsal.apply(migration)
        except ScriptFailed as exc:
            return Checked(migration, failure=exc, failed_in=stage, with_rows=True)
        after = self._rows()
        return Checked(
            migration,
            with_rows=True,
            rows_lost=[
                RowsLost(table, rows, after.get(table, 0), dropped=table not in between)
                for table, rows in before.items()
                if after.get(table, 0) < rows
            ],
        )

    def _rows(self) -> dict[str, int]:
        """How many rows there are in each table."""
        connection = self.rehearsal.connection
        counts = {}
        for schema, name, shown in connection.execute(_TABLES, [list(OUR_TABLES)]).fetchall():
            table = sql.Identifier(schema, name)
            statement = sql.SQL("SELECT count(*) FROM {}").format(table)
            [(rows,)] = connection.execute(statement).fetchall()
            counts[shown] = int(rows)
        return counts


def _findings(differences: Sequence[Difference]) -> list[Difference]:
    return [each for each in differences if not each.order_only]
