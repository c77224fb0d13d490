"""The well-known way to do the same while the application runs, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.migrations.foresight.facts import Item, StatementFacts

_ALONE = "in a file that begins with `-- migrate: no-transaction`"

BUILD = f"CREATE INDEX CONCURRENTLY, {_ALONE}"
REBUILD = f"REINDEX … CONCURRENTLY, {_ALONE}"
CONSTRAIN = "add the constraint NOT VALID, and VALIDATE CONSTRAINT in a later migration"
REQUIRE = (
    "first ADD CHECK ({check}) NOT VALID; in a later migration VALIDATE CONSTRAINT, and then SET"
    " NOT NULL, which reads nothing any more (Postgres 18 has ADD NOT NULL … NOT VALID as well)"
)
MAKE_UNIQUE = f"CREATE UNIQUE INDEX CONCURRENTLY, {_ALONE}; then ADD CONSTRAINT … USING INDEX"
RETYPE = "add a column of the new type, fill it in batches, and switch over when it is complete"
DEFAULT = "add the column without a default, then SET DEFAULT; fill the rows there are in batches"
FILL = "add a plain column that a trigger fills; fill the rows there are in batches"
COMPACT = "pg_repack does it while the table is in use"
REFRESH = "REFRESH MATERIALIZED VIEW CONCURRENTLY, for which the view needs a unique index"
ATTACH = (
    "first ADD CHECK with the partition's bounds NOT VALID (on a default partition: with what they"
    " leave), and VALIDATE CONSTRAINT in a later migration; then nothing has to be read"
)
BATCHES = f"in batches that are committed one by one: a DO block with COMMIT, {_ALONE}"
APART = "put it into a migration of its own, where the lock of {since} is not held"

LEAVES = (
    "CREATE INDEX ON ONLY {table}, CREATE INDEX CONCURRENTLY on each partition, and"
    f" ALTER INDEX … ATTACH PARTITION, {_ALONE}"
)
NEEDS_DEFAULT = "give the column a constant default: without one this fails where there are rows"

UNUSED = "first deploy code that does without it"
EMPTIED = "first deploy code that does without the rows"
UNNAMED = (
    "add the new name first: a view, or a second column; drop the old one when nothing uses it"
)
UNSEARCHED = "first see in pg_stat_user_indexes that nothing uses it"
UNINDEX = f"{UNSEARCHED}; then DROP INDEX CONCURRENTLY, {_ALONE}"


def safer_work(facts: StatementFacts, since: str) -> str:
    """For a statement that blocks somebody while it works; "" if there is no such way.

    `since` names the earlier statements that took the locks, if some did.
    """
    made = {item.kind for item in facts.creates}
    if facts.rewrites:
        return _instead_of_rewriting(facts, made)
    if facts.scans and (advice := _instead_of_checking(facts, made)):
        return advice
    if facts.builds:
        return _instead_of_building(facts, made)
    if facts.rebuilds:
        return "" if facts.retypes else REBUILD
    if facts.changes and not facts.tag.startswith("INSERT"):
        return BATCHES
    return APART.format(since=since) if since else ""


def safer_change(facts: StatementFacts, gone: Sequence[Item]) -> str:
    """For what the application may use, and is `gone`, empty, apart or has another name."""
    if gone and all(item.kind == "index" for item in gone):
        return UNSEARCHED if facts.alone else UNINDEX
    if gone or facts.detaches:
        return UNUSED
    return EMPTIED if facts.empties else UNNAMED


def _instead_of_building(facts: StatementFacts, made: set[str]) -> str:
    if made & {"primary key", "unique constraint"}:
        return MAKE_UNIQUE
    if "exclusion constraint" in made:
        return ""
    built = {index.of for index in facts.builds}
    whole = [item for item in facts.creates if item.kind == "index" and item.of not in built]
    return LEAVES.format(table=whole[0].of) if whole else BUILD


def _instead_of_checking(facts: StatementFacts, made: set[str]) -> str:
    if facts.attaches or facts.tag == "CREATE TABLE":
        return ATTACH
    if made & {"foreign key", "check"} or facts.tag == "ALTER DOMAIN":
        return CONSTRAIN
    if facts.requires and not facts.builds:
        check = " AND ".join(f"{column.name} IS NOT NULL" for column in facts.requires)
        return REQUIRE.format(check=check)
    if "column" in made and not facts.builds and facts.tag == "ALTER TABLE":
        return NEEDS_DEFAULT
    return ""


def _instead_of_rewriting(facts: StatementFacts, made: set[str]) -> str:
    if facts.tag in ("CLUSTER", "VACUUM"):
        return COMPACT
    if facts.rewrites[0].kind == "materialized view":
        return REFRESH
    if facts.retypes:
        return RETYPE
    if "column" in made:
        return DEFAULT if "default" in made else FILL
    return ""
