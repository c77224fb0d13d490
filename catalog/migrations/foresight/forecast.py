"""`plan`: what the pending migrations will do to this database, measured on a scratch database."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from catalog.database import send
from catalog.migrations.foresight.hazards import Verdict, judge
from catalog.migrations.foresight.sizes import listed
from catalog.migrations.foresight.trace import Tracer
from catalog.migrations.preamble import timeouts
from catalog.migrations.resume import MAY_COMMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from catalog.migrations.foresight.facts import StatementFacts
    from catalog.migrations.foresight.rehearsal import Rehearsal
    from catalog.migrations.foresight.sizes import Sizes
    from catalog.migrations.migration import Migration, Script
    from catalog.migrations.scanner import Statement

# From the catalogue alone: to ask for the size of a file, or for the tree of partitions, would take
# a lock on the table. The
# statistics know of rows that no ANALYZE has counted yet, and a partitioned table has its rows in
# its leaves.
_SIZES = """
    SELECT CASE WHEN namespace.nspname <> 'public'
                THEN quote_ident(namespace.nspname) || '.' ELSE '' END || quote_ident(top.relname),
           sum(CASE WHEN class.reltuples < 0 THEN pg_stat_get_live_tuples(class.oid)
                    ELSE class.reltuples::bigint END),
           sum(class.relpages::bigint + coalesce(toast.relpages, 0))
               * current_setting('block_size')::bigint
      FROM pg_class AS top
      JOIN pg_namespace AS namespace ON namespace.oid = top.relnamespace
     CROSS JOIN LATERAL (
               WITH RECURSIVE part (relid) AS (
                        SELECT top.oid
                         UNION ALL
                        SELECT inhrelid
                          FROM pg_inherits
                          JOIN part ON part.relid = inhparent
                    )
               SELECT relid FROM part WHERE top.relkind = 'p' OR relid = top.oid
           ) AS leaf
      JOIN pg_class AS class ON class.oid = leaf.relid
      LEFT JOIN pg_class AS toast ON toast.oid = class.reltoastrelid
     WHERE top.relkind IN ('r', 'p', 'm')
       AND namespace.nspname !~ '^pg_'
       AND namespace.nspname <> 'information_schema'
     GROUP BY namespace.nspname, top.relname;
"""


@dataclass(frozen=True)
class Forecast:
    """What one pending migration will do."""

    migration: Migration
    facts: Sequence[StatementFacts]
    verdict: Verdict
    sizes: Sizes
    """Of the target's tables."""
    timeouts: dict[str, str]
    """The `lock_timeout`, and the `statement_timeout` if there is one, that will hold."""


def read_sizes(connection: psycopg.Connection) -> Sizes:
    """About how many rows each table has, and how many bytes. One round trip.

    Where nobody has counted the pages since there were rows, the bytes are not known: -1.
    """
    found = {}
    for name, rows, size in send(connection, _SIZES).rows():
        known = rows == "0" or size != "0"
        found[str(name)] = (int(rows or 0), int(size or 0) if known else -1)
    return found


def _timeouts(script: Script, facts: Sequence[StatementFacts]) -> dict[str, str]:
    """The limits that will hold, as far as the script does not set them itself on its way."""
    limits = timeouts(script)
    if alone := _without_lock_timeout(script, facts):
        numbers = f"statement{'s' * (len(alone) > 1)} {listed(list(map(str, alone)))}"
        every = len(alone) == len(facts)
        limits["lock_timeout"] = (
            "none" if every else f"{limits['lock_timeout']}, none for {numbers}"
        )
    for number, statement in enumerate(script.statements, start=1):
        if statement.begins("SET") and (named := set(limits) & _names_set(statement)):
            limits |= dict.fromkeys(named, f"set by statement {number}")
    return limits


def _without_lock_timeout(script: Script, facts: Sequence[StatementFacts]) -> list[int]:
    """The statements for which the runner sets none: those that it runs in no transaction.

    On empty tables code need not come as far as its COMMIT.
    """
    if "lock_timeout" in script.timeouts:
        return []
    by_tag = () if script.transactional else MAY_COMMIT
    return [each.number for each in facts if each.alone or each.tag in by_tag]


def _names_set(statement: Statement) -> set[str]:
    return {word.lower() for word in statement.first_words(3)}


def forecasts(
    rehearsal: Rehearsal,
    applied: Sequence[Migration],
    pending: Sequence[Migration],
    sizes: Sizes,
) -> Iterator[Forecast]:
    """Bring the scratch database to the target's version, and trace each pending migration there.

    Raises:
        ScriptFailed: One does not run there; those before it were told of.
    """
    for migration in applied:
        rehearsal.apply(migration)
    tracer = Tracer(rehearsal.connection, rehearsal.connect)
    for migration in pending:
        facts = rehearsal.with_roles(partial(tracer.trace, migration.up))
        verdict = judge(
            facts,
            sizes,
            transactional=migration.up.transactional,
            allowed=migration.up.allowed,
        )
        yield Forecast(migration, facts, verdict, sizes, _timeouts(migration.up, facts))
