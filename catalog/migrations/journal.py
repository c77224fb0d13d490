"""What was done of scripts without a transaction: a row for every statement, until it is whole.

The table stands beside the ledger and is made when it is first needed. While a statement's row
says `started`, only the database can tell whether it took effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import send

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from catalog.migrations.ledger import Ledger

_CREATE = """
    BEGIN;
    SET LOCAL client_min_messages = warning;
    CREATE TABLE IF NOT EXISTS {journal} (
        name        text NOT NULL,
        direction   text NOT NULL,
        statement   integer NOT NULL,
        state       text NOT NULL,
        run         text NOT NULL,
        script      text NOT NULL,
        indexes     oid[] NOT NULL,
        changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (name, direction, statement)
    );
    COMMENT ON TABLE {journal} IS
        'Statements of migrations without a transaction that are not whole yet; see bin/migrate';
    COMMIT;
"""

_READ = """
    SELECT statement, state, run, script, array_to_string(indexes, ',')
      FROM {journal}
     WHERE name = {name} AND direction = {direction}
     ORDER BY statement;
"""

# Only its own run may still be at work on a statement that it noted.
_ACTIVE = """
    SELECT count(*)
      FROM pg_stat_activity
     WHERE application_name = ANY ({runs}) AND state <> 'idle' AND pid <> pg_backend_pid();
"""

_NOTE = """
    INSERT INTO {journal} (name, direction, statement, state, run, script, indexes)
    VALUES ({name}, {direction}, {statement}, {state}, {run}, {script}, {indexes})
    ON CONFLICT (name, direction, statement) DO UPDATE
       SET state = excluded.state, run = excluded.run, script = excluded.script,
           indexes = excluded.indexes, changed_at = clock_timestamp();
"""

_FORGET = """
    DELETE FROM {journal} WHERE name = {name} AND direction = {direction};
"""


@dataclass(frozen=True)
class Entry:
    """A statement that an earlier run, or this one, has begun."""

    statement: int
    """Its number in the script, from 1."""
    state: str
    """`started`, `failed` (Postgres refused it) or `done`."""
    run: str
    """The application name of the run that began it."""
    script: str
    """The statement's text as it was then."""
    indexes: frozenset[int]
    """The indexes that its table had before it, by oid, where it builds one."""


@dataclass(frozen=True)
class Journal:
    """The entries of one script."""

    ledger: Ledger
    name: str
    direction: str

    def read(self, connection: psycopg.Connection) -> list[Entry]:
        """All entries, in the script's order; makes the table if need be. One round trip."""
        rows = send(connection, self._composed(_CREATE + _READ)).rows()
        return [
            Entry(
                int(number), state, run, script, frozenset(map(int, filter(None, oids.split(","))))
            )
            for number, state, run, script, oids in (map(str, row) for row in rows)
        ]

    def is_active(self, connection: psycopg.Connection, runs: Sequence[str]) -> bool:
        """Whether a server process of one of these runs is still at work."""
        return send(connection, self._composed(_ACTIVE, runs=list(runs))).rows() != [("0",)]

    def note(self, entry: Entry) -> str:
        """Write an entry, over an earlier one."""
        return self._composed(
            _NOTE,
            statement=entry.statement,
            state=entry.state,
            run=entry.run,
            script=entry.script,
            indexes=f"{{{','.join(map(str, sorted(entry.indexes)))}}}",
        )

    def forget(self) -> str:
        """Remove the entries, once the ledger says that the script is whole."""
        return self._composed(_FORGET)

    def _composed(self, template: str, **values: object) -> str:
        literals = {
            key: sql.Literal(value)
            for key, value in {"name": self.name, "direction": self.direction, **values}.items()
        }
        return sql.SQL(template).format(journal=self.ledger.journal, **literals).as_string()
