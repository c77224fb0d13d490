"""What was done of a script without a transaction: a row for every statement, until it is whole.

The table stands beside the ledger, and is there only while a script is half done: nothing else
runs before that one is whole. While a statement's row says `started`, only the database can tell
whether it took effect.
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

# In the transaction of its first entry: so it is never there without one.
CREATION = ("SET", "CREATE TABLE", "SET")
_CREATE = """
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
    SET LOCAL client_min_messages TO DEFAULT;
"""

_READ = """
    SELECT name, direction, statement, state, run, script, array_to_string(indexes, ',')
      FROM {journal}
     ORDER BY statement;
"""

# Only its own run may still be at work on a statement that it noted. To other roles than its own
# Postgres does not tell its state: then it counts as long as it is there.
_ACTIVE = """
    SELECT count(*)
      FROM pg_stat_activity
     WHERE application_name = ANY ({runs})
       AND state IS DISTINCT FROM 'idle'
       AND pid <> pg_backend_pid();
"""

# Fails on the primary key if another runner has begun the statement.
_CLAIM = """
    INSERT INTO {journal} (name, direction, statement, state, run, script, indexes)
    VALUES ({name}, {direction}, {statement}, {state}, {run}, {script}, {indexes});
"""

_SETTLE = """
    UPDATE {journal}
       SET state = {state}, changed_at = clock_timestamp()
     WHERE statement = {statement};
"""

_TAKE_OVER = """
    UPDATE {journal} SET run = {run} WHERE statement = {statement};
"""

_FORGET_FROM = """
    DELETE FROM {journal} WHERE statement >= {statement};
"""

_DROP = """
    DROP TABLE IF EXISTS {journal};
"""


@dataclass(frozen=True)
class Entry:
    """A statement that an earlier run, or this one, has begun."""

    name: str
    """The migration's."""
    direction: str
    statement: int
    """Its number in the script, from 1."""
    state: str
    """`started`, `failed` (Postgres refused it) or `done`."""
    run: str
    """The application name of the run that began it."""
    script: str
    """The statement's text as it was then."""
    indexes: frozenset[int] = frozenset()
    """The indexes that its table had before it, by oid, where it builds one."""


@dataclass(frozen=True)
class Journal:
    """The entries beside one ledger."""

    ledger: Ledger

    def create(self) -> str:
        """Make the table, unless it is there: for the transaction of an entry."""
        return self._composed(_CREATE)

    def read(self, connection: psycopg.Connection) -> list[Entry]:
        """All entries, in the script's order. One round trip; the table has to be there."""
        return [
            Entry(
                name,
                direction,
                int(number),
                state,
                run,
                script,
                frozenset(map(int, filter(None, oids.split(",")))),
            )
            for name, direction, number, state, run, script, oids in (
                map(str, row) for row in send(connection, self._composed(_READ)).rows()
            )
        ]

    def is_active(self, connection: psycopg.Connection, runs: Sequence[str]) -> bool:
        """Whether a server process of one of these runs is still at work."""
        return send(connection, self._composed(_ACTIVE, runs=list(runs))).rows() != [("0",)]

    def claim(self, entry: Entry) -> str:
        """Write an entry, or fail: no statement is begun twice."""
        return self._composed(
            _CLAIM,
            name=entry.name,
            direction=entry.direction,
            statement=entry.statement,
            state=entry.state,
            run=entry.run,
            script=entry.script,
            indexes=f"{{{','.join(map(str, sorted(entry.indexes)))}}}",
        )

    def settle(self, statement: int, state: str) -> str:
        """Note what became of a statement."""
        return self._composed(_SETTLE, statement=statement, state=state)

    def take_over(self, statement: int, run: str) -> str:
        """Make an entry that of another run, which now works on what the first one left."""
        return self._composed(_TAKE_OVER, statement=statement, run=run)

    def forget_from(self, statement: int) -> str:
        """Remove the entries of a statement and of those after it."""
        return self._composed(_FORGET_FROM, statement=statement)

    def drop(self) -> str:
        """Remove the table, once the script is whole."""
        return self._composed(_DROP)

    def _composed(self, template: str, **values: object) -> str:
        literals = {key: sql.Literal(value) for key, value in values.items()}
        return sql.SQL(template).format(journal=self.ledger.journal, **literals).as_string()
