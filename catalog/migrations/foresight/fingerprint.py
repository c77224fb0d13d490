"""What the schema of a database is, as plain data: read off the catalogs in one round trip.

Every row of the queries is an object. Its columns tell

- `kind`, and `name` with its schema, as SQL would have it; or `part`, its name within `part_of`;
- `catalog`, `oid` and `sub`: its address, by which comments and grants find it;
- `whole`: the oid that its parts know it by in `part_of`;
- `plain`: its name with its schema and without quotes, by which it can be left out;
- and all others the facts; NULL is what goes without saying, and an array has no order.

Neither oids nor the numbers of columns get into the facts, so that what was dropped leaves no
trace. Left out is what belongs to Postgres or to an extension; what is temporary; what comes with
another object, such as array types and the triggers of foreign keys; what the use of a schema
changes, such as statistics and the place where a sequence is; and what belongs to the database or
the server, such as settings, roles and subscriptions. What somebody changes while it is read may
be told half.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.pq import TransactionStatus

from catalog.database import send
from catalog.migrations.foresight import fingerprint_others, fingerprint_tables
from catalog.migrations.foresight.fingerprint_attached import ATTACHED
from catalog.migrations.foresight.fingerprint_rare import RARE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg

    from catalog.database import Reply

# Composite types come before tables, and those before their parts.
_QUERIES = (*fingerprint_others.QUERIES, *fingerprint_tables.QUERIES, RARE)

# Everything that changes how Postgres writes a definition. A schema of somebody's that is called
# like a catalog comes after Postgres' own. The last ones are for speed: so many joins are planned
# faster in the order that they are written in, and none is worth a compilation.
_SETTINGS = """
    SET LOCAL search_path = pg_catalog, pg_temp;
    SET LOCAL quote_all_identifiers = off;
    SET LOCAL standard_conforming_strings = on;
    SET LOCAL client_encoding = 'UTF8';
    SET LOCAL datestyle = 'ISO, MDY';
    SET LOCAL intervalstyle = 'postgres';
    SET LOCAL timezone = 'UTC';
    SET LOCAL extra_float_digits = 1;
    SET LOCAL bytea_output = 'hex';
    SET LOCAL lc_monetary = 'C';
    SET LOCAL join_collapse_limit = 1;
    SET LOCAL from_collapse_limit = 1;
    SET LOCAL max_parallel_workers_per_gather = 0;
    SET LOCAL jit = off;
"""
_READ = """
      WITH {sources}
    SELECT 'role', to_json(current_user::text)::text
    UNION ALL
    {objects}
    UNION ALL
    SELECT 'attached', json_agg(attached)::text FROM ({attached}) AS attached;
"""
_OBJECTS = "SELECT 'objects', json_agg(object)::text FROM ({query}) AS object"
_READ_ALL = (
    sql.SQL(_READ)
    .format(
        sources=sql.SQL(fingerprint_tables.SOURCES),
        objects=sql.SQL("\n    UNION ALL\n    ").join(
            sql.SQL(_OBJECTS).format(query=sql.SQL(query)) for query in _QUERIES
        ),
        attached=sql.SQL(ATTACHED),
    )
    .as_string()
)

# A message outside of a transaction is one of its own, and what is set ends with it.
_ALONE = _SETTINGS + _READ_ALL
_TAKE_BACK = """
    ROLLBACK TO SAVEPOINT catalog_fingerprint;
    RELEASE SAVEPOINT catalog_fingerprint;
"""
_WITHIN = f"SAVEPOINT catalog_fingerprint; {_ALONE} {_TAKE_BACK}"

# To plan it takes longer than to read a small schema.
_EXECUTE = f"{_SETTINGS} EXECUTE catalog_fingerprint;"
_PREPARE = f"{_SETTINGS} PREPARE catalog_fingerprint AS {_READ_ALL} EXECUTE catalog_fingerprint;"
_NOT_PREPARED = "26000"

# Postgres' word for what somebody drops while it is being looked at.
_DROPPED = "XX000"
_TRIES = 5

_HAS_COLUMN_ORDER = ("table", "foreign table", "composite type")

Key = tuple[str, str]
"""The kind and the name of an object."""


@dataclass(frozen=True)
class Fingerprint:
    """A schema: every object with its facts, none of which depends on how it came about."""

    server_version: int
    role: str
    """Who read it."""
    objects: Mapping[Key, Mapping[str, str]]

    @classmethod
    def read(
        cls, connection: psycopg.Connection, *, without: Collection[str] = (), often: bool = False
    ) -> Fingerprint:
        """Read it, in one round trip, inside a transaction or outside of one.

        Nothing is left behind, and nothing but the catalogs is read. `without` names tables
        (`schema.table`, without quotes) to leave out with all that belongs to them. `often` is
        for a connection of our own: outside of transactions it leaves a prepared statement there,
        which takes one round trip more at first, and less than half of the time from then on.

        Raises:
            psycopg.Error: It could not be read. An open transaction is as it was before.
        """
        for _ in range(_TRIES):
            reply = _sent(connection, often)
            if not (reply.error and reply.error.sqlstate == _DROPPED):
                break
        role, *objects, attached = [json.loads(text or "[]") for _, text in reply.rows()]
        found = [row for rows in objects for row in rows]
        return cls(connection.info.server_version, role, _assembled(found, attached, without))


def _sent(connection: psycopg.Connection, often: bool) -> Reply:
    if connection.info.transaction_status != TransactionStatus.IDLE:
        reply = send(connection, _WITHIN)
        if reply.error:
            send(connection, _TAKE_BACK)
        return reply
    if not often:
        return send(connection, _ALONE)
    reply = send(connection, _EXECUTE)
    if reply.error and reply.error.sqlstate == _NOT_PREPARED:
        reply = send(connection, _PREPARE)
    return reply


def _assembled(
    rows: Iterable[dict[str, Any]], attached: Iterable[dict[str, Any]], without: Collection[str]
) -> dict[Key, dict[str, str]]:
    objects: dict[Key, dict[str, str]] = {}
    addresses: dict[tuple[str, str, int], dict[str, str]] = {}
    wholes: dict[str, Key] = {}
    orders: dict[Key, list[str]] = {}
    for row in rows:
        kind, name = row.pop("kind"), row.pop("name", None)
        address = (row.pop("catalog"), row.pop("oid"), row.pop("sub", 0))
        whole, part_of = row.pop("whole", None), row.pop("part_of", None)
        part = row.pop("part", None)
        if row.pop("plain", None) in without or (part_of and part_of not in wholes):
            continue
        facts = {
            fact: ", ".join(sorted(value)) if isinstance(value, list) else value
            for fact, value in row.items()
            if value is not None
        }
        if part_of:
            _, facts["part of"] = wholes[part_of]
            name = name or f"{facts['part of']}.{part}"
            if kind in ("column", "attribute"):
                orders.setdefault(wholes[part_of], []).append(part)
        if whole:
            wholes[whole] = (kind, name)
        objects[kind, name] = addresses[address] = facts
    for key, columns in orders.items():
        if key[0] in _HAS_COLUMN_ORDER:
            objects[key]["column order"] = ", ".join(columns)
    for row in attached:
        address = row["catalog"], row["oid"], row["sub"]
        if address in addresses:
            addresses[address][row["fact"]] = row["value"]
    return objects
