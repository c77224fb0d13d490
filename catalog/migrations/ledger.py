"""The ledger: one table with a row for every wholly applied migration. All its SQL is here.

Statements name the table with its schema, because a script may change `search_path`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.errors import LedgerUnusable
from catalog.migrations.plan import Applied

if TYPE_CHECKING:
    import psycopg

    from catalog.migrations.migration import Migration

TABLE = "schema_migrations"

_LOCATE = """
    SELECT coalesce(namespace.nspname, current_schema()),
           array(SELECT attname::text
                   FROM pg_attribute
                  WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped
                  ORDER BY attnum)
      FROM (SELECT to_regclass('schema_migrations')::oid AS oid) AS found
      LEFT JOIN pg_class AS class ON class.oid = found.oid
      LEFT JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
"""

_CREATE = """
    CREATE TABLE IF NOT EXISTS {ledger} (
        name        text PRIMARY KEY,
        position    integer NOT NULL UNIQUE,
        applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        duration    interval NOT NULL DEFAULT '0',
        checksum    text NOT NULL,
        up_sql      text NOT NULL,
        down_sql    text
    );
    COMMENT ON TABLE {ledger} IS
        'A row for every migration that is wholly applied; kept by bin/migrate';
"""
_COLUMNS = ["name", "position", "applied_at", "duration", "checksum", "up_sql", "down_sql"]

_READ = """
    SELECT name, position, applied_at, extract(epoch FROM duration) * 1000, checksum
      FROM {ledger}
     ORDER BY position
"""

_READ_DOWN_SCRIPT = "SELECT down_sql FROM {ledger} WHERE name = %s"

_CLAIM = """
    INSERT INTO {ledger} (name, position, checksum, up_sql, down_sql)
    SELECT {name}, coalesce(max(position), 0) + 1, {checksum}, {up_sql}, {down_sql}
      FROM {ledger};
"""

_FINISH = """
    UPDATE {ledger}
       SET duration = coalesce(make_interval(secs => {seconds}), clock_timestamp() - applied_at)
     WHERE name = {name};
"""

# One row or none at all goes: were it gone already, the whole transaction fails.
_RELEASE = """
    DO {body};
"""
_RELEASE_BODY = """
BEGIN
    DELETE FROM {ledger} WHERE name = {name};
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = {message};
    END IF;
END
"""


@dataclass(frozen=True)
class Ledger:
    """The table's place, and whether it is there yet."""

    schema: str
    exists: bool

    @classmethod
    def locate(cls, connection: psycopg.Connection) -> Ledger:
        """Find the ledger on the search path, or the schema to create it in. One round trip.

        Raises:
            LedgerUnusable: A table of that name has other columns, or there is no schema.
        """
        row = connection.execute(_LOCATE).fetchone()
        schema, columns = row if row else (None, [])
        if schema is None:
            raise LedgerUnusable(TABLE, [])
        if columns and not set(_COLUMNS) <= set(columns):
            raise LedgerUnusable(f"{schema}.{TABLE}", columns)
        return cls(schema, bool(columns))

    @property
    def key(self) -> str:
        """What the locks of runners with this ledger are named after."""
        return f"{self.schema}.{TABLE}"

    @property
    def table(self) -> sql.Identifier:
        """The table's name with its schema, to be composed into statements."""
        return sql.Identifier(self.schema, TABLE)

    def create(self) -> str:
        """Make the table, unless another runner just did."""
        return sql.SQL(_CREATE).format(ledger=self.table).as_string()

    def read(self, connection: psycopg.Connection) -> list[Applied]:
        """All rows, in the order of application. One round trip; none if there is no table."""
        if not self.exists:
            return []
        rows = connection.execute(sql.SQL(_READ).format(ledger=self.table))
        return [
            Applied(name, position, applied_at, float(duration_ms), checksum)
            for name, position, applied_at, duration_ms, checksum in rows
        ]

    def read_down_script(self, connection: psycopg.Connection, name: str) -> str | None:
        """The down script as it was when the migration was applied."""
        query = sql.SQL(_READ_DOWN_SCRIPT).format(ledger=self.table)
        row = connection.execute(query, [name]).fetchone()
        return row[0] if row else None

    def claim(self, migration: Migration) -> str:
        """Write the row, or fail on its primary key: nothing is applied twice."""
        return (
            sql.SQL(_CLAIM)
            .format(
                ledger=self.table,
                name=sql.Literal(migration.name),
                checksum=sql.Literal(migration.checksum),
                up_sql=sql.Literal(migration.up.text),
                down_sql=sql.Literal(migration.down.text if migration.down else None),
            )
            .as_string()
        )

    def finish(self, migration: Migration, seconds: float | None = None) -> str:
        """Note how long it took: so many seconds, or the time since the claim."""
        return (
            sql.SQL(_FINISH)
            .format(
                ledger=self.table,
                name=sql.Literal(migration.name),
                seconds=sql.Literal(seconds),
            )
            .as_string()
        )

    def release(self, name: str) -> str:
        """Remove the row, or fail if it is not there: nothing is reverted twice."""
        body = sql.SQL(_RELEASE_BODY).format(
            ledger=self.table,
            name=sql.Literal(name),
            message=sql.Literal(f"{name} was reverted by another runner"),
        )
        return sql.SQL(_RELEASE).format(body=sql.Literal(body.as_string())).as_string()
