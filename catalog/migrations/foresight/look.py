"""What a database holds at a moment, as one message asks it and one value keeps it.

Two looks tell what happened between them: what was made, dropped or renamed, which tables were
read in whole or have another file than before, and which locks the transaction has taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rows = Sequence[tuple[str | None, ...]]

# Defaults are addressed by their columns, because a new default is a new row of the catalogue.
# The counters of this transaction and those of all before it are added up: what has been passed
# on to the statistics yet, and what not, is then all the same.
_THINGS = """
    WITH schema AS (
             SELECT oid, nspname,
                    CASE WHEN nspname <> 'public' THEN quote_ident(nspname) || '.' ELSE '' END
                        AS prefix
               FROM pg_namespace
              WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
         ),
         relation AS (
             SELECT class.*, schema.prefix || quote_ident(class.relname) AS name
               FROM pg_class AS class
               JOIN schema ON schema.oid = class.relnamespace
         ),
         thing AS (
             SELECT 'pg_class'::regclass::oid AS catalog, class.oid AS object, 0 AS part,
                    CASE class.relkind WHEN 'v' THEN 'view'
                                       WHEN 'm' THEN 'materialized view'
                                       WHEN 'f' THEN 'foreign table'
                                       WHEN 'S' THEN 'sequence'
                                       WHEN 'i' THEN 'index'
                                       WHEN 'I' THEN 'index'
                                       WHEN 'c' THEN 'type'
                                       ELSE 'table'
                    END AS kind,
                    class.relname::text AS label, class.name, class.relnamespace AS schema,
                    'pg_class'::regclass::oid AS of_catalog,
                    CASE class.relkind
                        WHEN 'S' THEN coalesce(
                            (SELECT adrelid
                               FROM pg_depend
                               JOIN pg_attrdef ON pg_attrdef.oid = objid
                              WHERE classid = 'pg_attrdef'::regclass
                                AND refclassid = 'pg_class'::regclass
                                AND refobjid = class.oid
                              LIMIT 1),
                            (SELECT refobjid
                               FROM pg_depend
                              WHERE classid = 'pg_class'::regclass
                                AND objid = class.oid
                                AND deptype = 'i'
                              LIMIT 1)
                        )
                        ELSE index.indrelid
                    END AS of_object,
                    class.relfilenode AS file,
                    coalesce(pg_stat_get_numscans(class.oid), 0)
                        + coalesce(pg_stat_get_xact_numscans(class.oid), 0) AS scans,
                    CASE class.relkind WHEN 'm' THEN class.relispopulated
                                       ELSE class.relispartition
                    END AS flag,
                    format('%s %s %s', class.relpersistence, class.reltablespace, class.relam)
                        AS shape
               FROM relation AS class
               LEFT JOIN pg_index AS index ON index.indexrelid = class.oid

             UNION ALL
             SELECT 'pg_class'::regclass, class.oid, attnum, 'column', attname,
                    quote_ident(attname), 0, 'pg_class'::regclass, class.oid, 0, 0, attnotnull,
                    format('%s %s %s', atttypid, atttypmod, attcollation)
               FROM pg_attribute
               JOIN relation AS class ON class.oid = attrelid
              WHERE attnum > 0 AND NOT attisdropped AND class.relkind IN ('r', 'p', 'f')

             UNION ALL
             SELECT 'pg_attrdef'::regclass, attrelid, attnum, 'default', attname,
                    quote_ident(attname), 0, 'pg_class'::regclass, attrelid, 0, 0, false, ''
               FROM pg_attribute
               JOIN relation AS class ON class.oid = attrelid
              WHERE attnum > 0 AND NOT attisdropped AND atthasdef AND attgenerated = ''

             UNION ALL
             SELECT 'pg_constraint'::regclass, pg_constraint.oid, 0,
                    CASE contype WHEN 'c' THEN 'check'
                                 WHEN 'f' THEN 'foreign key'
                                 WHEN 'p' THEN 'primary key'
                                 WHEN 'u' THEN 'unique constraint'
                                 ELSE 'exclusion constraint'
                    END,
                    conname, quote_ident(conname), 0, 'pg_class'::regclass, conrelid, 0, 0,
                    convalidated, confrelid::text
               FROM pg_constraint
               JOIN relation AS class ON class.oid = conrelid
              WHERE contype IN ('c', 'f', 'p', 'u', 'x')

             UNION ALL
             SELECT 'pg_trigger'::regclass, pg_trigger.oid, 0, 'trigger', tgname,
                    quote_ident(tgname), 0, 'pg_class'::regclass, tgrelid, 0, 0, false, ''
               FROM pg_trigger
               JOIN relation AS class ON class.oid = tgrelid
              WHERE NOT tgisinternal

             UNION ALL
             SELECT 'pg_policy'::regclass, pg_policy.oid, 0, 'policy', polname,
                    quote_ident(polname), 0, 'pg_class'::regclass, polrelid, 0, 0, false, ''
               FROM pg_policy
               JOIN relation AS class ON class.oid = polrelid

             UNION ALL
             SELECT 'pg_rewrite'::regclass, pg_rewrite.oid, 0, 'rule', rulename,
                    quote_ident(rulename), 0, 'pg_class'::regclass, ev_class, 0, 0, false, ''
               FROM pg_rewrite
               JOIN relation AS class ON class.oid = ev_class
              WHERE rulename <> '_RETURN'

             UNION ALL
             SELECT 'pg_statistic_ext'::regclass, pg_statistic_ext.oid, 0, 'statistics', stxname,
                    schema.prefix || quote_ident(stxname), stxnamespace,
                    'pg_class'::regclass, stxrelid, 0, 0, false, ''
               FROM pg_statistic_ext
               JOIN schema ON schema.oid = stxnamespace

             UNION ALL
             SELECT 'pg_proc'::regclass, pg_proc.oid, 0,
                    CASE prokind WHEN 'p' THEN 'procedure'
                                 WHEN 'a' THEN 'aggregate'
                                 ELSE 'function'
                    END,
                    proname,
                    format('%s%I(%s)', schema.prefix, proname,
                           pg_get_function_identity_arguments(pg_proc.oid)),
                    pronamespace, 0, 0, 0, 0, false, ''
               FROM pg_proc
               JOIN schema ON schema.oid = pronamespace

             UNION ALL
             SELECT 'pg_type'::regclass, pg_type.oid, 0,
                    CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END,
                    typname, schema.prefix || quote_ident(typname), typnamespace,
                    0, 0, 0, 0, false, ''
               FROM pg_type
               JOIN schema ON schema.oid = typnamespace
              WHERE typtype IN ('d', 'e', 'r')

             UNION ALL
             SELECT 'pg_enum'::regclass, pg_enum.oid, 0, 'value', enumlabel,
                    quote_literal(enumlabel), 0, 'pg_type'::regclass, enumtypid, 0, 0, false, ''
               FROM pg_enum

             UNION ALL
             SELECT 'pg_namespace'::regclass, oid, 0, 'schema', nspname, quote_ident(nspname), 0,
                    0, 0, 0, 0, false, ''
               FROM schema

             UNION ALL
             SELECT 'pg_extension'::regclass, oid, 0, 'extension', extname, quote_ident(extname), 0,
                    0, 0, 0, 0, false, ''
               FROM pg_extension
         )
    SELECT *
      FROM thing
     WHERE NOT EXISTS (
               SELECT
                 FROM pg_depend
                WHERE classid = catalog AND objid = object AND deptype = 'e'
           );
"""

# What goes with something else without being named: an index with its column, and so on.
_TIES = """
    SELECT classid, objid, refclassid, refobjid, refobjsubid
      FROM pg_depend
     WHERE deptype IN ('a', 'i', 'P', 'S')
       AND objsubid = 0
       AND classid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass,
                       'pg_policy'::regclass, 'pg_statistic_ext'::regclass);
"""

_LOCKS = """
    SELECT relation, mode
      FROM pg_locks
     WHERE locktype = 'relation'
       AND pid = pg_backend_pid()
       AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
"""

LOOK = _THINGS + _TIES + _LOCKS

RELATIONS = 1259
"""The oid of `pg_class`, which never changes."""


class Address(NamedTuple):
    """How the catalogue refers to an object, or to a column of one."""

    catalog: int
    object: int
    part: int = 0


class Lock(NamedTuple):
    """A lock on a relation."""

    relation: int
    """Its oid."""
    mode: str
    """As `pg_locks` spells it: `AccessExclusiveLock`."""


@dataclass(frozen=True)
class Thing:
    """An object of the database, or a column, as a look found it."""

    address: Address
    kind: str
    """A word or two: `table`, `column`, `foreign key`."""
    label: str
    """Its own name as the catalogue spells it."""
    name: str
    """The name as a person would write it: quoted where it has to be, and without `public`."""
    schema: int
    """The oid of its schema, if it has one of its own."""
    of: Address | None
    """What it belongs to: a table for an index, a type for a value."""
    file: int
    scans: int
    """How often it has been read in whole (a table) or searched (an index)."""
    flag: bool
    """Whether a column is NOT NULL, a constraint valid, a table a partition, a view filled."""
    shape: str
    """The type of a column; how and where a table is stored; what a foreign key refers to."""


@dataclass(frozen=True)
class Look:
    """Everything in the schemas that are not Postgres' own, and the locks of one transaction."""

    things: Mapping[Address, Thing]
    ties: Mapping[Address, frozenset[Address]]
    """What goes when something else goes, with what takes it along."""
    locks: frozenset[Lock]

    @classmethod
    def of(cls, rowsets: Sequence[Rows]) -> Look:
        """What the rows say that a message returned which ends with `LOOK`."""
        things, ties, locks = rowsets[-3:]
        found = [_thing(row) for row in things]
        tied: dict[Address, set[Address]] = {each.address: set() for each in found}
        for each in found:
            if each.of is not None:
                tied[each.address].add(each.of)
            if each.kind == "default":
                tied[each.address].add(each.address._replace(catalog=RELATIONS))
        for row in ties:
            catalog, number, *to = map(_number, row)
            tied.get(Address(catalog, number), set()).add(Address(*to))
        return cls(
            {each.address: each for each in found},
            {address: frozenset(to) for address, to in tied.items()},
            frozenset(Lock(_number(relation), str(mode)) for relation, mode in locks),
        )

    def relation(self, oid: int) -> Thing | None:
        """The table, index, view or sequence of that oid."""
        return self.things.get(Address(RELATIONS, oid))


def _thing(row: tuple[str | None, ...]) -> Thing:
    catalog, number, part, kind, label, name, schema, of_catalog, of, file, scans, flag, shape = row
    return Thing(
        Address(_number(catalog), _number(number), _number(part)),
        str(kind),
        str(label),
        str(name),
        _number(schema),
        Address(_number(of_catalog), _number(of)) if of not in (None, "0") else None,
        _number(file),
        _number(scans),
        flag == "t",
        str(shape),
    )


def _number(value: str | None) -> int:
    return int(value or 0)
