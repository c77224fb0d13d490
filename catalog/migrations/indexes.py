"""`CREATE INDEX` statements: what they are called, and what became of their indexes.

A `CREATE INDEX CONCURRENTLY` that fails, or is killed, leaves an INVALID index behind: one that
slows writes and serves no read, and that `IF NOT EXISTS` takes for the real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.database import send
from catalog.migrations.scanner import qualified_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from catalog.migrations.scanner import Statement

STATEMENT = "statement:"
_REFUSE_INVALID = "DO {body};\n"
_REFUSE_INVALID_BODY = """
BEGIN
    IF EXISTS (
        SELECT
          FROM pg_index AS index
          JOIN pg_class AS class ON class.oid = index.indexrelid
         WHERE class.relname = {name}
           AND class.relnamespace =
                   (SELECT relnamespace FROM pg_class WHERE oid = to_regclass({table}))
           AND NOT index.indisvalid
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            CONSTRAINT = {place},
            MESSAGE = {message},
            HINT = {hint};
    END IF;
END
"""

_OF_TABLE = """
    SELECT index.indexrelid,
           format('%I.%I', namespace.nspname, class.relname),
           class.relname,
           index.indisvalid
      FROM pg_index AS index
      JOIN pg_class AS class ON class.oid = index.indexrelid
      JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
     WHERE index.indrelid = to_regclass({table})
     ORDER BY index.indexrelid;
"""


@dataclass(frozen=True)
class IndexBuild:
    """What a `CREATE INDEX` statement says of itself."""

    table: str
    """As it is written there, to be resolved by Postgres."""
    name: str | None
    """As the catalogue spells it; without one, Postgres makes one up."""
    concurrently: bool
    if_not_exists: bool

    @classmethod
    def of(cls, statement: Statement) -> IndexBuild | None:
        """Read a statement; `None` if it is of another kind."""
        head = statement.first_words(3)
        if head[:1] != ("CREATE",) or "INDEX" not in head:
            return None
        words = list(statement.words)
        rest = (words[1:2] == ["UNIQUE"] and words[2:]) or words[1:]
        if rest[:1] != ["INDEX"] or "ON" not in words:
            return None
        start = len(words) - len(rest) + 1
        concurrently = words[start : start + 1] == ["CONCURRENTLY"]
        start += concurrently
        if_not_exists = words[start : start + 3] == ["IF", "NOT", "EXISTS"]
        start += 3 * if_not_exists
        on = words.index("ON", start)
        name = _folded(statement.tokens[start].text) if on > start else None
        first = on + 1 + (words[on + 1 : on + 2] == ["ONLY"])
        return cls(qualified_name(statement.tokens[first:]), name, concurrently, if_not_exists)

    def refuse_invalid(self, number: int) -> str:
        """A statement that fails if the index of that name is INVALID.

        The failure tells the number of the `CREATE INDEX` (from 0) in `constraint_name`.
        """
        values = {
            "place": sql.Literal(f"{STATEMENT}{number}"),
            "table": sql.Literal(self.table),
            "name": sql.Literal(self.name),
            "message": sql.Literal(f'the index "{self.name}" was there already, and is INVALID'),
            "hint": sql.Literal(
                "Something else built it and failed. Drop it"
                f' (DROP INDEX CONCURRENTLY "{self.name}") and try again,'
                f' or rebuild it (REINDEX INDEX CONCURRENTLY "{self.name}").'
            ),
        }
        body = sql.SQL(_REFUSE_INVALID_BODY).format(**values).as_string()
        return sql.SQL(_REFUSE_INVALID).format(body=sql.Literal(body)).as_string()


def refuse_invalid(statements: Sequence[Statement]) -> list[str]:
    """For every `IF NOT EXISTS` among them, a statement that does not take INVALID for success."""
    return [
        build.refuse_invalid(number)
        for number, build in enumerate(map(IndexBuild.of, statements))
        if build and build.if_not_exists and build.name
    ]


def indexes_on(
    connection: psycopg.Connection, build: IndexBuild
) -> dict[int, tuple[str, str, bool]]:
    """The indexes of the table by oid: qualified name, name, and whether it is valid."""
    message = sql.SQL(_OF_TABLE).format(table=sql.Literal(build.table)).as_string()
    return {
        int(oid or 0): (str(qualified), str(name), valid == "t")
        for oid, qualified, name, valid in send(connection, message).rows()
    }


def _folded(identifier: str) -> str:
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.lower()
