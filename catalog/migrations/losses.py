"""What a script takes away for good: tables, columns, rows. Read off its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.migrations.scanner import qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.migrations.migration import Script
    from catalog.migrations.scanner import Statement, Token

# The statistics know of rows that no ANALYZE has counted yet. A partitioned table has its rows in
# its leaves, and once it is analyzed itself their sum on top. An array is looked up in the index;
# with OR, each table cost a walk through all of pg_class.
_ESTIMATE = """
    SELECT sum(CASE WHEN class.reltuples < 0 THEN pg_stat_get_live_tuples(class.oid)
                    ELSE class.reltuples::bigint END)
      FROM pg_class AS class
     WHERE class.oid = ANY (ARRAY(
               SELECT to_regclass({table})::oid
               UNION ALL
               SELECT relid::oid FROM pg_partition_tree(to_regclass({table}))
           ))
       AND class.relkind <> 'p';
"""
_ESTIMATE_OF_SCHEMA = """
    SELECT sum(CASE WHEN class.reltuples < 0 THEN pg_stat_get_live_tuples(class.oid)
                    ELSE class.reltuples::bigint END)
      FROM pg_class AS class
     WHERE class.relnamespace = to_regnamespace({table}) AND class.relkind = 'r';
"""
_TAKES_AWAY = ("DROP", "DELETE", "TRUNCATE", "ALTER")
_KEEPS_COLUMN = ("CONSTRAINT", "NOT", "DEFAULT", "IDENTITY", "EXPRESSION")


@dataclass(frozen=True)
class Loss:
    """Something that is gone once a script has run."""

    table: str
    """As it is written in the script."""
    column: str | None = None
    emptied: bool = False
    """Whether the table stays, without its rows."""
    schema: bool = False
    """Whether it is a schema, with all its tables."""

    def estimate(self) -> str:
        """A query for the number of rows, from the catalogue and without reading the table."""
        template = _ESTIMATE_OF_SCHEMA if self.schema else _ESTIMATE
        return sql.SQL(template).format(table=sql.Literal(self.table)).as_string()


def losses(script: Script) -> list[Loss]:
    """All that the script's statements drop or empty, in order."""
    return [loss for statement in script.statements for loss in _of(statement)]


def _of(statement: Statement) -> Iterator[Loss]:
    words = list(statement.first_words(2))
    tokens = statement.tokens if words[0] in _TAKES_AWAY else ()  # an INSERT may be long
    match words:
        case ["DROP", "TABLE"]:
            for item in _items(tokens[2:]):
                yield Loss(_name(item))
        case ["DROP", "SCHEMA"]:
            for item in _items(tokens[2:]):
                yield Loss(_name(item), schema=True)
        case ["DELETE", "FROM"] if "WHERE" not in [token.word for token in tokens]:
            yield Loss(_name(tokens[2:]), emptied=True)
        case ["TRUNCATE", *_]:
            for item in _items(tokens[1:]):
                yield Loss(_name(item), emptied=True)
        case ["ALTER", "TABLE"]:
            first, *others = _items(tokens[2:])
            table = _name(first)
            for action in [_after_name(first), *others]:
                verbs = [token.word for token in action[:1]]
                column = _without(action[1:], "COLUMN", "IF", "EXISTS")
                if verbs == ["DROP"] and column and column[0].word not in _KEEPS_COLUMN:
                    yield Loss(table, column=column[0].text)
        case _:
            return


def _items(tokens: Sequence[Token]) -> list[list[Token]]:
    """The parts between the commas outside of parentheses."""
    items: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return items


def _without(tokens: Sequence[Token], *words: str) -> list[Token]:
    """The tokens after any of these words at their beginning."""
    at = 0
    while at < len(tokens) and tokens[at].word in words:
        at += 1
    return list(tokens[at:])


def _name(tokens: Sequence[Token]) -> str:
    """The name, with its schema, that an item begins with."""
    return qualified_name(_without(tokens, "TABLE", "IF", "EXISTS", "ONLY"))


def _after_name(tokens: Sequence[Token]) -> list[Token]:
    """What follows the name that an item begins with."""
    rest = _without(tokens, "IF", "EXISTS", "ONLY")[1:]
    while len(rest) > 1 and rest[0].text == ".":
        rest = rest[2:]
    return rest
