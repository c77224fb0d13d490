"""The ledger: one table with a row for every wholly applied migration. All its SQL is here.

Statements name the table with its schema, because a script may change `search_path`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import send
from catalog.errors import LedgerUnusable
from catalog.migrations.lock import DIVISION_BY_ZERO, work_guard
from catalog.migrations.migration import version_of
from catalog.migrations.plan import Applied

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from catalog.migrations.migration import Migration
    from catalog.migrations.session import Session

DEFAULT_TABLE = "schema_migrations"
_LONGEST_IDENTIFIER = 63  # bytes; Postgres cuts off the rest
_LONGEST_NAME = _LONGEST_IDENTIFIER - len("_journal")

# The process that a client sees through a pooler is not the server's own.
_LOCATE = """
    SELECT namespace.nspname,
           found.oid IS NOT NULL,
           (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', '
                              ORDER BY attnum)
              FROM pg_attribute
             WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped),
           CASE WHEN namespace.nspname IS NOT NULL
                THEN to_regclass(
                         format('%I.%I', namespace.nspname, {name}::text || '_journal')
                     ) IS NOT NULL
           END,
           pg_backend_pid()
      FROM (
               SELECT to_regclass(
                          CASE WHEN {schema}::text IS NULL THEN format('%I', {name}::text)
                               ELSE format('%I.%I', {schema}::text, {name}::text)
                          END
                      )::oid AS oid
           ) AS found
      LEFT JOIN pg_class AS class ON class.oid = found.oid
      LEFT JOIN pg_namespace AS namespace
             ON namespace.oid = class.relnamespace
             OR class.oid IS NULL AND namespace.nspname = coalesce({schema}, current_schema());
"""

_CREATE = """
    BEGIN;
    SET LOCAL client_min_messages = warning;
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
    COMMIT;
"""
_COLUMNS = (
    *("name text", "position integer", "applied_at timestamp with time zone"),
    *("duration interval", "checksum text", "up_sql text", "down_sql text"),
)

_READ = """
    SELECT name,
           position,
           extract(epoch FROM applied_at),
           extract(epoch FROM duration) * 1000,
           checksum,
           encode(sha256(convert_to(up_sql, 'UTF8')), 'hex')
      FROM {ledger}
     ORDER BY position;
"""

_HALF_DONE = """
    SELECT to_regclass({journal}) IS NOT NULL;
"""

_READ_SCRIPTS = "SELECT name, up_sql, down_sql FROM {ledger} WHERE name = ANY ({names});"

_CLAIM = """
    INSERT INTO {ledger} (name, position, checksum, up_sql, down_sql)
    SELECT {name}, coalesce(max(position), 0) + 1, {checksum}, {up_sql}, {down_sql}
      FROM {ledger};
"""

# Divides by zero if the script took its own row away: applied and unrecorded, it would run again.
_FINISH = """
    WITH finished AS (
        UPDATE {ledger}
           SET duration = coalesce(make_interval(secs => {seconds}), clock_timestamp() - applied_at)
         WHERE name = {name}
        RETURNING duration
    )
    SELECT 1 / count(*), extract(epoch FROM max(duration)) * 1000 FROM finished;
"""

_TOOK = "SELECT extract(epoch FROM clock_timestamp() - transaction_timestamp()) * 1000;\n"

# One row or none at all goes: were it gone already, the whole transaction fails.
_RELEASE = "DO {body};\n"
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

# Divides by zero if somebody has done it all meanwhile.
_REFUSE_RECORDED = """
    SELECT 1 / (count(*) = {expected})::integer FROM {ledger} WHERE name = {name};
"""

_ACCEPT = """
    UPDATE {ledger}
       SET checksum = {checksum}, up_sql = {up_sql}, down_sql = {down_sql}
     WHERE name = {name};
"""


@dataclass(frozen=True)
class Ledger:
    """The table's place, and whether it is there yet."""

    schema: str
    name: str
    exists: bool
    half_done: bool
    """Whether a script without a transaction broke off: the journal's table is there."""
    pooled: bool
    """Whether a transaction pooler stands between us and the server."""

    @classmethod
    def locate(cls, connection: psycopg.Connection, table: str, *, begin: str = "") -> Ledger:
        """Find the ledger, or the schema to create it in. One round trip.

        `table` is `NAME`, looked for along the search path, or `SCHEMA.NAME`; `begin` may begin a
        transaction for it, and for what follows.

        Raises:
            LedgerUnusable: A table of that name has other columns, or none can be there.
        """
        schema, name = split_table(table)
        values = {"schema": sql.Literal(schema), "name": sql.Literal(name)}
        message = begin + sql.SQL(_LOCATE).format(**values).as_string()
        [(place, exists, columns, half_done, pid)] = send(connection, message).rows()
        if place is None:
            reason = f'there is no schema "{schema}"' if schema else "the search_path is empty"
            raise LedgerUnusable(table, None, reason)
        found = (columns or "").split(", ")
        if exists == "t" and not set(_COLUMNS) <= set(found):
            raise LedgerUnusable(f"{place}.{name}", found)
        pooled = pid != str(connection.info.backend_pid)
        return cls(place, name, exists == "t", half_done == "t", pooled)

    @property
    def key(self) -> str:
        """What the locks of runners with this ledger are named after."""
        return f"{self.schema}.{self.name}"

    @property
    def table(self) -> sql.Identifier:
        """The table's name with its schema, to be composed into statements."""
        return sql.Identifier(self.schema, self.name)

    @property
    def journal(self) -> sql.Identifier:
        """The name of the table beside it that `catalog.migrations.journal` keeps."""
        return sql.Identifier(*self.journal_name)

    @property
    def journal_name(self) -> tuple[str, str]:
        """The schema and the name of that table."""
        return self.schema, f"{self.name}_journal"

    def read(self, connection: psycopg.Connection) -> list[Applied]:
        """All rows, in the order of application. One round trip; none if there is no table."""
        if not self.exists:
            return []
        return self._applied(send(connection, self._composed(_READ)).rows())

    def read_locked(self, session: Session, *, create: bool) -> tuple[Ledger, list[Applied]]:
        """The same for who holds the lock, and the ledger as it is now. One round trip.

        `create` makes the table if need be. A transaction of a killed runner that is under way
        still has its say: what it changes has to be in what is read here.

        Raises:
            RunnerBusy: It was under way for as long as the session waits.
        """
        message = work_guard(self.key)
        message += self._composed(_HALF_DONE, journal=self.journal.as_string())
        if create and not self.exists:
            message += self._composed(_CREATE)
        if create or self.exists:
            message += self._composed(_READ)
        reply = session.send_first(message)
        while reply.error and reply.error.sqlstate == DIVISION_BY_ZERO:
            session.wait_for_work()
            reply = session.send_first(message)
        last = reply.rows()
        rows = last if create or self.exists else []
        half_done = reply.rowsets[1] == [("t",)]
        now = replace(self, exists=self.exists or create, half_done=half_done)
        return now, self._applied(rows)

    def read_scripts(
        self, connection: psycopg.Connection, names: Sequence[str]
    ) -> dict[str, tuple[str, str | None]]:
        """The up and down scripts as they were when these were applied. One round trip."""
        if not names:
            return {}
        message = self._composed(_READ_SCRIPTS, names=list(names))
        rows = send(connection, message).rows()
        return {str(name): (up_sql or "", down_sql) for name, up_sql, down_sql in rows}

    def claim(self, migration: Migration) -> str:
        """Write the row, or fail on its primary key: nothing is applied twice."""
        return self._composed(_CLAIM, name=migration.name, **_texts(migration))

    def finish(self, name: str, seconds: float | None = None) -> str:
        """Note how long it took: so many seconds, or the time since the claim."""
        return self._composed(_FINISH, name=name, seconds=seconds)

    @staticmethod
    def took() -> str:
        """How long the transaction has lasted, in milliseconds: what `finish` tells as well."""
        return _TOOK

    def release(self, name: str) -> str:
        """Remove the row, or fail if it is not there: nothing is reverted twice."""
        message = f"{name} was reverted by another runner"
        body = self._composed(_RELEASE_BODY, name=name, message=message)
        return self._composed(_RELEASE, body=body)

    def refuse_recorded(self, name: str, *, recorded: bool) -> str:
        """Fail if the row is there (`recorded`), or is not, with a division by zero."""
        return self._composed(_REFUSE_RECORDED, name=name, expected=0 if recorded else 1)

    def accept(self, migration: Migration) -> str:
        """Put the texts that the files have now in the place of those that were applied."""
        return self._composed(_ACCEPT, name=migration.name, **_texts(migration))

    def _applied(self, rows: Sequence[tuple[str | None, ...]]) -> list[Applied]:
        """The rows as values.

        Raises:
            LedgerUnusable: Somebody else wrote one of them.
        """
        found = []
        for row in rows:
            try:
                found.append(_applied(row))
            except (ValueError, OverflowError, OSError) as exc:
                reason = f'its row "{row[0]}" is that of no migration'
                raise LedgerUnusable(self.key, None, reason) from exc
        return found

    def _composed(self, statement: str, **values: object) -> str:
        literals = {name: sql.Literal(value) for name, value in values.items()}
        return sql.SQL(statement).format(ledger=self.table, **literals).as_string()


def split_table(table: str) -> tuple[str | None, str]:
    """`SCHEMA.NAME`, or `NAME`, in its parts; no quotes are needed.

    Raises:
        LedgerUnusable: It is neither, or a schema of Postgres' own.
    """
    schema, _, name = table.rpartition(".")
    if not name or "." in schema or table.startswith("."):
        raise LedgerUnusable(table, None, "it is not of the form SCHEMA.NAME")
    if len(name.encode()) > _LONGEST_NAME or len(schema.encode()) > _LONGEST_IDENTIFIER:
        raise LedgerUnusable(table, None, f"names of more than {_LONGEST_NAME} bytes do not fit")
    if schema.startswith("pg_") or schema == "information_schema":
        raise LedgerUnusable(table, None, "the schema is Postgres' own")
    return schema or None, name


def _texts(migration: Migration) -> dict[str, str | None]:
    return {
        "checksum": migration.checksum,
        "up_sql": migration.up.text,
        "down_sql": migration.down.text if migration.down else None,
    }


def _applied(row: tuple[str | None, ...]) -> Applied:
    name, position, applied_at, duration_ms, checksum, text_hash = map(str, row)
    version_of(name)
    return Applied(
        name,
        int(position),
        datetime.fromtimestamp(float(applied_at), UTC),
        float(duration_ms),
        checksum,
        text_hash,
    )
