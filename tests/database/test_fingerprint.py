"""What a fingerprint holds, and how two differ: on a real server, one change at a time."""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from catalog.embedded import EmbeddedServer
from catalog.migrations.foresight import fingerprint_others, fingerprint_tables
from catalog.migrations.foresight.differences import compare
from catalog.migrations.foresight.fingerprint import Fingerprint
from catalog.migrations.foresight.fingerprint_attached import ATTACHED
from catalog.migrations.foresight.fingerprint_rare import RARE
from catalog.migrations.scanner import split
from tests.database.schema_changes import BASE, CHANGES, GONE, NEW, Change
from tests.whole.proxy import Proxy
from tests.whole.test_versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.migrations.foresight.differences import Difference

ONE_OF_EVERYTHING = Path(__file__).with_name("one_of_everything.sql")


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """To an empty database."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def shared(embedded_server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """To a database for many tests, each of which takes all back that it does."""
    name = sql.Identifier(f"test_{uuid.uuid4().hex}")
    with psycopg.connect(embedded_server.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
        conninfo = make_conninfo(embedded_server.conninfo, dbname=name.as_string().strip('"'))
        with psycopg.connect(conninfo) as shared:
            yield shared
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def transaction(shared: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """In an empty database, and never to be committed."""
    yield shared
    shared.rollback()


def run(connection: psycopg.Connection, script: str) -> None:
    """One statement after the other, since some refuse to come with others."""
    for statement in split(script):
        connection.execute(statement.text.encode())


def told(differences: Sequence[Difference]) -> dict[str, object]:
    """What there is to tell: for each object that it is new or gone, or the facts that changed."""
    return {
        f"{one.kind} {one.name}": NEW
        if one.before is None
        else GONE
        if one.after is None
        else {fact: (before, after) for fact, before, after in one.changed}
        for one in differences
    }


# --- What differs


@pytest.mark.few(40)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_one_change_is_told_and_nothing_else(
    transaction: psycopg.Connection, change: Change
) -> None:
    run(transaction, BASE + change.before)
    before = Fingerprint.read(transaction)
    run(transaction, change.script)
    after = Fingerprint.read(transaction)

    assert told(compare(before, after)) == change.told

    run(transaction, change.back)
    assert told(compare(before, Fingerprint.read(transaction))) == {}


def test_each_of_these_changes_has_a_name_of_its_own() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES)


def test_a_difference_has_the_facts_of_both_sides(transaction: psycopg.Connection) -> None:
    run(transaction, "CREATE TABLE t (a integer DEFAULT 1 NOT NULL)")
    before = Fingerprint.read(transaction)
    run(transaction, "ALTER TABLE t ALTER a SET DEFAULT 2, ALTER a DROP NOT NULL")

    [difference] = compare(before, Fingerprint.read(transaction))

    assert (difference.kind, difference.name) == ("column", "public.t.a")
    assert difference.before == {
        "part of": "public.t",
        "type": "integer",
        "default": "1",
        "not null": "yes",
    }
    assert difference.after == {"part of": "public.t", "type": "integer", "default": "2"}
    assert difference.changed == [("default", "1", "2"), ("not null", "yes", None)]
    assert not difference.order_only


def test_what_is_on_one_side_only_is_told_without_its_parts(
    transaction: psycopg.Connection,
) -> None:
    empty = Fingerprint.read(transaction)
    run(
        transaction,
        """
        CREATE TABLE t (id serial PRIMARY KEY, a text UNIQUE CHECK (a > ''));
        CREATE INDEX ON t (a);
        ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON t;
        CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;
        CREATE STATISTICS s ON id, a FROM t;
        CREATE PUBLICATION all_of_it FOR TABLE t;
        CREATE TABLE p (id integer PRIMARY KEY) PARTITION BY HASH (id);
        CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE DOMAIN d AS text CHECK (VALUE > '');
        CREATE TYPE c AS (a integer);
        """,
    )
    full = Fingerprint.read(transaction)
    run(transaction, "ALTER TABLE t DROP id, DROP a")

    assert told(compare(empty, full)) == {
        "table public.t": NEW,
        "publication all_of_it": NEW,
        "table public.p": NEW,
        "domain public.d": NEW,
        "composite type public.c": NEW,
    }
    assert told(compare(full, empty)) == dict.fromkeys(told(compare(empty, full)), GONE)
    assert told(compare(full, Fingerprint.read(transaction))) == {
        "column public.t.a": GONE,
        "column public.t.id": GONE,
        "constraint public.t.t_a_check": GONE,
        "constraint public.t.t_a_key": GONE,
        "constraint public.t.t_pkey": GONE,
        "index public.t_a_idx": GONE,
        "statistics public.s": GONE,
    }


@pytest.mark.parametrize(
    ("before", "script"),
    [
        (BASE, "DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, name text, n integer)"),
        (BASE, "ALTER TABLE t ADD a integer; ALTER TABLE t DROP a"),
        (BASE, "ALTER TABLE t DROP n, ADD n integer"),
        (BASE, "ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t"),
        (BASE, "CREATE INDEX ON t (n); DROP INDEX t_n_idx"),
        (BASE, "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id)"),
        (BASE, "GRANT ALL ON t TO pg_monitor; REVOKE ALL ON t FROM pg_monitor"),
        (BASE, "GRANT SELECT (n) ON t TO pg_monitor; REVOKE SELECT (n) ON t FROM pg_monitor"),
        (BASE, "GRANT ALL ON FUNCTION f() TO PUBLIC, CURRENT_USER"),
        (BASE, "COMMENT ON TABLE t IS 'a'; COMMENT ON TABLE t IS NULL"),
        (BASE, "ALTER TABLE t ALTER n SET STATISTICS 5; ALTER TABLE t ALTER n SET STATISTICS -1"),
        (BASE, "INSERT INTO t SELECT i, i, i FROM generate_series(1, 1000) AS i; ANALYZE t"),
        (BASE, "INSERT INTO t VALUES (1); TRUNCATE t"),
        (BASE, "REINDEX TABLE t"),
        (
            BASE,
            "CREATE TEMPORARY TABLE t (id serial PRIMARY KEY); CREATE TEMPORARY VIEW v AS TABLE t",
        ),
        (BASE, "CREATE FUNCTION pg_temp.g() RETURNS integer LANGUAGE sql RETURN 1"),
        (
            f"{BASE} ALTER TABLE t SET (fillfactor = 70, autovacuum_enabled = off)",
            "ALTER TABLE t RESET (fillfactor); ALTER TABLE t SET (fillfactor = 70)",
        ),
        (
            "CREATE TABLE u (id serial); CREATE MATERIALIZED VIEW v AS TABLE u WITH NO DATA",
            """
            SELECT nextval('u_id_seq');
            ALTER SEQUENCE u_id_seq RESTART 70;
            REFRESH MATERIALIZED VIEW v;
            """,
        ),
        (
            f"{BASE} CREATE VIEW v AS SELECT * FROM t; CREATE TYPE e AS ENUM ('a', 'b')",
            """
            DROP VIEW v;
            CREATE VIEW v AS SELECT id, name, n FROM t;
            DROP TYPE e;
            CREATE TYPE e AS ENUM ('a');
            ALTER TYPE e ADD VALUE 'b';
            """,
        ),
        (
            """
            CREATE TABLE a (x integer);
            CREATE TABLE b (x integer);
            CREATE TABLE c () INHERITS (a, b);
            """,
            "DROP TABLE c; CREATE TABLE c () INHERITS (b, a)",
        ),
        (
            "CREATE SCHEMA app; CREATE EXTENSION vector SCHEMA app",
            "DROP EXTENSION vector; CREATE EXTENSION vector SCHEMA app",
        ),
    ],
)
def test_what_changes_no_schema_is_no_difference(
    transaction: psycopg.Connection, before: str, script: str
) -> None:
    run(transaction, before)
    first = Fingerprint.read(transaction)

    run(transaction, script)

    assert Fingerprint.read(transaction) == first


def test_another_tablespace_is_told(connection: psycopg.Connection) -> None:
    place = f"test_{uuid.uuid4().hex}"
    run(connection, f"{BASE} CREATE INDEX i ON t (n)")
    before = Fingerprint.read(connection)
    run(connection, f"SET allow_in_place_tablespaces = on; CREATE TABLESPACE {place} LOCATION ''")
    try:
        run(connection, f"ALTER TABLE t SET TABLESPACE {place}")
        run(connection, f"ALTER INDEX i SET TABLESPACE {place}")
        assert told(compare(before, Fingerprint.read(connection))) == {
            "index public.i": {"tablespace": (None, place)},
            "table public.t": {"tablespace": (None, place)},
        }
    finally:
        run(connection, f"DROP TABLE t; DROP TABLESPACE {place}")


def test_nor_is_what_no_transaction_can_do(connection: psycopg.Connection) -> None:
    run(connection, f"{BASE} CREATE INDEX i ON t (n); INSERT INTO t VALUES (1)")
    before = Fingerprint.read(connection)

    run(connection, "VACUUM FULL t; REINDEX TABLE CONCURRENTLY t; CLUSTER t USING i")
    run(connection, "ALTER TABLE t SET WITHOUT CLUSTER; DROP INDEX CONCURRENTLY i")
    run(connection, "CREATE INDEX CONCURRENTLY i ON t (n)")

    assert Fingerprint.read(connection) == before


# --- The order of columns


def test_another_order_of_columns_is_marked(transaction: psycopg.Connection) -> None:
    run(transaction, 'CREATE TABLE t (a integer, "b, c" text, d date)')
    before = Fingerprint.read(transaction)
    run(transaction, "ALTER TABLE t DROP a, ADD a integer")

    [difference] = compare(before, Fingerprint.read(transaction))

    assert difference.order_only
    assert (difference.kind, difference.name) == ("table", "public.t")
    assert difference.changed == [("column order", 'a, "b, c", d', '"b, c", d, a')]


def test_the_order_is_told_apart_from_all_else(transaction: psycopg.Connection) -> None:
    run(transaction, "CREATE TABLE t (a integer, b text, c date)")
    before = Fingerprint.read(transaction)
    run(transaction, "ALTER TABLE t DROP a, ADD a integer, DROP c, SET (fillfactor = 50)")

    differences = compare(before, Fingerprint.read(transaction))

    assert [(each.name, each.changed, each.order_only) for each in differences] == [
        ("public.t", [("options", None, "fillfactor=50")], False),
        ("public.t", [("column order", "a, b, c", "b, a")], True),
        ("public.t.c", [("part of", "public.t", None), ("type", "date", None)], False),
    ]


def test_attributes_of_a_type_have_an_order_too(transaction: psycopg.Connection) -> None:
    run(transaction, "CREATE TYPE p AS (a integer, b text)")
    before = Fingerprint.read(transaction)
    run(transaction, "ALTER TYPE p DROP ATTRIBUTE a, ADD ATTRIBUTE a integer")

    [difference] = compare(before, Fingerprint.read(transaction))

    assert difference.order_only
    assert difference.kind == "composite type"


def test_the_place_of_a_new_column_is_no_difference_of_its_own(
    transaction: psycopg.Connection,
) -> None:
    run(transaction, "CREATE TABLE t (a integer, c integer)")
    before = Fingerprint.read(transaction)
    run(transaction, "DROP TABLE t; CREATE TABLE t (a integer, b integer, c integer)")

    assert told(compare(before, Fingerprint.read(transaction))) == {"column public.t.b": NEW}


# --- Owners


def test_owners_can_be_left_out(transaction: psycopg.Connection) -> None:
    script = """
        CREATE TABLE t (id serial);
        CREATE FUNCTION f() RETURNS integer LANGUAGE sql RETURN 1;
        REVOKE DELETE ON t FROM CURRENT_USER;
        GRANT SELECT ON t TO pg_signal_backend;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_signal_backend;
    """
    run(transaction, "SAVEPOINT empty")
    run(transaction, script)
    before = Fingerprint.read(transaction)
    run(transaction, "ROLLBACK TO empty; GRANT CREATE ON SCHEMA public TO pg_monitor")
    run(transaction, f"SET ROLE pg_monitor; {script} RESET ROLE")
    run(transaction, "REVOKE CREATE ON SCHEMA public FROM pg_monitor")
    after = Fingerprint.read(transaction)

    assert compare(before, after, owners=False) == []
    assert told(compare(before, after)) == {
        "default acl for role postgres in schema public on tables": GONE,
        "default acl for role pg_monitor in schema public on tables": NEW,
        "function public.f()": {"owner": ("postgres", "pg_monitor")},
        "sequence public.t_id_seq": {"owner": ("postgres", "pg_monitor")},
        "table public.t": {"owner": ("postgres", "pg_monitor")},
    }


# --- What is read, and how


def test_a_new_database_is_always_the_same(
    connection: psycopg.Connection, transaction: psycopg.Connection
) -> None:
    fingerprint = Fingerprint.read(connection)

    assert fingerprint == Fingerprint.read(transaction)
    assert fingerprint.role == "postgres"
    assert fingerprint.server_version == connection.info.server_version
    assert fingerprint.objects == {
        ("schema", "public"): {
            "owner": "pg_database_owner",
            "comment": "standard public schema",
            "grants to PUBLIC": "USAGE",
        },
        ("extension", "plpgsql"): {
            "owner": "postgres",
            "schema": "pg_catalog",
            "comment": "PL/pgSQL procedural language",
        },
    }


def test_all_facts_are_texts_and_none_has_a_number_of_postgres(
    transaction: psycopg.Connection,
) -> None:
    run(transaction, ONE_OF_EVERYTHING.read_text())
    fingerprint = Fingerprint.read(transaction)

    facts = [value for facts in fingerprint.objects.values() for value in facts.values()]
    assert {type(value) for value in facts} == {str}
    assert "" not in facts
    oids = transaction.execute(
        "SELECT oid::text FROM pg_class WHERE oid >= 16384 UNION SELECT oid::text FROM pg_type"
        " WHERE oid >= 16384 UNION SELECT oid::text FROM pg_proc WHERE oid >= 16384"
    )
    numbers = "|".join(oid for (oid,) in oids)
    assert not [
        name
        for name in [*facts, *(name for _, name in fingerprint.objects)]
        if re.search(rf"\b({numbers})\b", name)
    ]
    assert not [name for _, name in fingerprint.objects if "RI_" in name or "pg_toast" in name]


def test_one_of_everything_is_all_told(transaction: psycopg.Connection) -> None:
    empty = Fingerprint.read(transaction)
    run(transaction, ONE_OF_EVERYTHING.read_text())

    kinds = {
        kind for kind, _ in Fingerprint.read(transaction).objects.keys() - empty.objects.keys()
    }

    assert sorted(kinds) == [
        "access method",
        "aggregate",
        "attribute",
        "base type",
        "cast",
        "collation",
        "column",
        "composite type",
        "constraint",
        "conversion",
        "default acl",
        "domain",
        "enum",
        "event trigger",
        "foreign table",
        "foreign-data wrapper",
        "function",
        "index",
        "language",
        "materialized view",
        "operator",
        "operator class",
        "operator family",
        "policy",
        "procedure",
        "publication",
        "publication namespace",
        "publication relation",
        "range type",
        "rule",
        "schema",
        "sequence",
        "server",
        "shell type",
        "statistics",
        "table",
        "text search configuration",
        "text search dictionary",
        "text search parser",
        "text search template",
        "transform",
        "trigger",
        "user mapping",
        "view",
    ]


# Columns of catalogs that need no reading, as Postgres 18 has them: a new version's have to be
# looked at.
TOLD_OTHERWISE = """
    aggnumdirectargs amoplefttype amopmethod amoppurpose amoprighttype castsource casttarget
    cfgname cfgnamespace collname collnamespace condeferrable condeferred conbin conenforced
    conexclop confdelsetcols confdeltype conffeqop confkey confmatchtype confrelid confupdtype
    conperiod conpfeqop conppeqop dictname dictnamespace ev_action ev_qual ev_type evtname indclass
    indcollation indexprs indimmediate indisexclusion indisprimary indisunique indkey indnatts
    indnkeyatts indnullsnotdistinct indoption indpred is_instead opcmethod opfmethod oprkind
    oprleft oprname oprnamespace oprright pnnspid pnpubid proallargtypes proargdefaults proargmodes
    proargnames proargtypes proname pronargdefaults pronargs prorettype proretset prosqlbody
    provariadic prpubid srvid stxexprs stxkeys stxkind tgargs tgattr tgconstrindid tgconstrrelid
    tgdeferrable tgfoid tginitdeferred tgnargs tgnewtable tgoldtable tgqual tgtype trflang trftype
    typname umserver umuser usename
"""
SAYS_NOTHING = """
    attalign attbyval atthasdef atthasmissing attlen attmissingval attndims collencoding
    collversion extcondition extconfig extrelocatable extversion indcheckxmin indislive inhseqno
    lanispl relallfrozen relallvisible relchecks relfilenode relfrozenxid relhasindex relhasrules
    relhassubclass relhastriggers relispopulated relisshared relminmxid relnatts relpages reltuples
    relrewrite reltype spcacl spcoptions spcowner typarray typndims umoptions
"""


def test_no_column_of_the_catalogs_is_forgotten(transaction: psycopg.Connection) -> None:
    queries = (
        *(fingerprint_tables.SOURCES, *fingerprint_tables.QUERIES),
        *(*fingerprint_others.QUERIES, RARE, ATTACHED),
    )
    words = set(re.findall(r"\w+", " ".join(queries)))
    columns = {
        column
        for (column,) in transaction.execute(
            "SELECT attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE relname = ANY (%s) AND relnamespace = 'pg_catalog'::regnamespace"
            " AND attnum > 0",
            [list(words)],
        )
    }

    assert columns - words == {*TOLD_OTHERWISE.split(), *SAYS_NOTHING.split()}


def test_no_secret_of_a_foreign_server_is_told(transaction: psycopg.Connection) -> None:
    run(transaction, ONE_OF_EVERYTHING.read_text())

    assert "secret" not in repr(Fingerprint.read(transaction))


@pytest.mark.parametrize(
    "name",
    [
        "Upper Case",
        'a "quoted" name',
        "with.dots",
        "per%cent %s",
        "Ünïcödé 表",
        "select",
        "'single' \\ back",
        "{braces}",
        "comma, comma",
        "x" * 63,
    ],
)
def test_odd_names_are_as_sql_has_them(transaction: psycopg.Connection, name: str) -> None:
    odd = sql.Identifier(name)
    script = sql.SQL(
        """
        CREATE SCHEMA {odd};
        CREATE TABLE {odd}.{odd} ({odd} integer CONSTRAINT {odd} CHECK ({odd} > 0));
        COMMENT ON COLUMN {odd}.{odd}.{odd} IS {text};
        CREATE INDEX ON {odd}.{odd} ({odd});
        CREATE TYPE {odd}.{other} AS ENUM ({text});
        """
    ).format(odd=odd, other=sql.Identifier(name[:-1]), text=sql.Literal(name))
    run(transaction, script.as_string(transaction))
    quoted = odd.as_string(transaction)
    if name == "x" * 63:
        quoted = name
    before = Fingerprint.read(transaction)

    assert ("schema", quoted) in before.objects
    assert ("table", f"{quoted}.{quoted}") in before.objects
    assert ("constraint", f"{quoted}.{quoted}.{quoted}") in before.objects
    column = before.objects["column", f"{quoted}.{quoted}.{quoted}"]
    assert column == {"type": "integer", "comment": name, "part of": f"{quoted}.{quoted}"}
    left = Fingerprint.read(transaction, without=[f"{name}.{name}"])
    assert {kind for kind, _ in before.objects.keys() - left.objects.keys()} == {
        "table",
        "column",
        "constraint",
        "index",
    }


def test_tables_are_left_out_with_all_that_is_theirs(transaction: psycopg.Connection) -> None:
    run(transaction, "CREATE TABLE t (id integer)")
    before = Fingerprint.read(transaction)
    run(
        transaction,
        """
        CREATE TABLE "Sequelize Meta" (id serial PRIMARY KEY, a text UNIQUE CHECK (a > ''));
        CREATE INDEX ON "Sequelize Meta" (a);
        COMMENT ON TABLE "Sequelize Meta" IS 'a';
        COMMENT ON COLUMN "Sequelize Meta".a IS 'a';
        GRANT SELECT ON "Sequelize Meta" TO PUBLIC;
        GRANT UPDATE (a) ON "Sequelize Meta" TO PUBLIC;
        CREATE POLICY p ON "Sequelize Meta";
        CREATE RULE r AS ON DELETE TO "Sequelize Meta" DO INSTEAD NOTHING;
        CREATE STATISTICS s ON id, a FROM "Sequelize Meta";
        CREATE SCHEMA other;
        CREATE TABLE other.t (id integer);
        """,
    )

    without = ["public.Sequelize Meta", "other.t", "public.unknown"]
    left = Fingerprint.read(transaction, without=without)

    assert told(compare(before, left)) == {"schema other": NEW}


def test_what_an_extension_brought_is_left_out_and_what_uses_it_is_not(
    transaction: psycopg.Connection,
) -> None:
    before = Fingerprint.read(transaction)
    run(
        transaction,
        """
        CREATE SCHEMA app;
        CREATE EXTENSION vector SCHEMA app;
        CREATE TABLE t (v app.vector(3));
        CREATE INDEX ON t USING hnsw (v app.vector_l2_ops);
        """,
    )

    after = Fingerprint.read(transaction)

    assert told(compare(before, after)) == {
        "extension vector": NEW,
        "schema app": NEW,
        "table public.t": NEW,
    }
    assert after.objects["column", "public.t.v"]["type"] == "app.vector(3)"


def test_one_round_trip_is_enough(database: str) -> None:
    with Proxy(database) as proxy, psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        run(connection, BASE)
        before = len(proxy.trips)

        Fingerprint.read(connection, without=["public.t"])
        assert len(proxy.trips) == before + 1
        Fingerprint.read(connection, often=True)
        Fingerprint.read(connection, often=True)
        assert len(proxy.trips) == before + 4  # the first one was prepared
        with connection.transaction():
            before = len(proxy.trips)
            Fingerprint.read(connection, often=True)
            assert len(proxy.trips) == before + 1


def test_who_reads_often_reads_the_same(connection: psycopg.Connection) -> None:
    first = Fingerprint.read(connection, often=True)
    run(connection, ONE_OF_EVERYTHING.read_text())

    assert Fingerprint.read(connection, often=True) == Fingerprint.read(connection) != first
    run(connection, "DISCARD ALL")
    assert Fingerprint.read(connection, often=True) == Fingerprint.read(connection)


SETTINGS = """
    SELECT name, setting FROM pg_settings
     WHERE source NOT IN ('default', 'configuration file', 'override') ORDER BY name
"""
PREPARED = "SELECT name FROM pg_prepared_statements"


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "script",
    [
        "SET search_path = app, public",
        "SET search_path = shadow, pg_catalog, app",
        "SET search_path = ''",
        "SET quote_all_identifiers = on",
        "SET datestyle = 'German, DMY'; SET timezone = 'Asia/Tokyo'; SET intervalstyle = iso_8601",
        "SET bytea_output = escape; SET extra_float_digits = -10",
        "SET client_encoding = 'LATIN1'",
        "SET default_transaction_read_only = on",
        "SET default_transaction_isolation = serializable; SET row_security = off",
        "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off",
        "SET statement_timeout = '1min'; SET standard_conforming_strings = off",
        "CREATE TEMPORARY TABLE pg_class (oid oid); CREATE TEMPORARY TABLE t (id integer)",
    ],
)
def test_a_session_has_no_say_in_what_is_read_and_nothing_is_left_in_it(
    connection: psycopg.Connection, script: str
) -> None:
    run(connection, ONE_OF_EVERYTHING.read_text())
    run(
        connection,
        """
        CREATE SCHEMA shadow;
        CREATE TABLE shadow.pg_class (oid integer);
        CREATE FUNCTION shadow.quote_ident(name) RETURNS text LANGUAGE sql RETURN 'shadow';
        CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE sql RETURN 'shadow';
        CREATE TABLE t (a text DEFAULT shadow.lower('A'), b text DEFAULT lower('A'));
        """,
    )
    before = Fingerprint.read(connection)
    run(connection, script)
    settings = connection.execute(SETTINGS).fetchall()

    assert Fingerprint.read(connection) == before

    assert connection.execute(SETTINGS).fetchall() == settings
    assert connection.execute(PREPARED).fetchall() == []
    assert connection.info.transaction_status == TransactionStatus.IDLE
    with connection.transaction():
        assert Fingerprint.read(connection) == before
        assert connection.execute(SETTINGS).fetchall() == settings


def test_names_are_read_as_they_are_in_whatever_encoding_the_client_has(
    connection: psycopg.Connection,
) -> None:
    run(connection, 'CREATE TABLE "表 Ü" (id integer)')
    run(connection, "SET client_encoding = 'LATIN1'")

    fingerprint = Fingerprint.read(connection)

    assert ("table", 'public."表 Ü"') in fingerprint.objects
    assert connection.info.encoding == "iso8859-1"


@pytest.mark.parametrize("mode", ["READ WRITE", "READ ONLY", "ISOLATION LEVEL SERIALIZABLE"])
def test_it_reads_inside_an_open_transaction_and_leaves_it_as_it_was(
    connection: psycopg.Connection, mode: str
) -> None:
    run(connection, BASE)
    before = Fingerprint.read(connection)
    run(connection, f"BEGIN {mode}; SET LOCAL search_path = pg_catalog, public; SAVEPOINT mine")
    settings = connection.execute(SETTINGS).fetchall()

    assert Fingerprint.read(connection) == before

    assert connection.info.transaction_status == TransactionStatus.INTRANS
    assert connection.execute(SETTINGS).fetchall() == settings
    run(connection, "ROLLBACK TO mine; COMMIT")


def test_it_reads_what_the_transaction_has_done_so_far(connection: psycopg.Connection) -> None:
    before = Fingerprint.read(connection)
    with connection.transaction(force_rollback=True):
        run(connection, "CREATE TABLE t (id integer)")
        within = Fingerprint.read(connection)

    assert told(compare(before, within)) == {"table public.t": NEW}
    assert Fingerprint.read(connection) == before


def test_in_a_transaction_that_has_failed_it_fails(connection: psycopg.Connection) -> None:
    run(connection, "BEGIN")
    with pytest.raises(errors.DivisionByZero):
        run(connection, "SELECT 1 / 0")

    with pytest.raises(errors.InFailedSqlTransaction):
        Fingerprint.read(connection)
    assert connection.info.transaction_status == TransactionStatus.INERROR


def test_a_failure_leaves_the_transaction_as_it_was(
    connection: psycopg.Connection, database: str
) -> None:
    run(connection, "CREATE TABLE t (id integer CHECK (id > 0))")
    run(connection, "BEGIN; CREATE TABLE u (id integer); SET LOCAL lock_timeout = '50ms'")

    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(errors.LockNotAvailable):
            Fingerprint.read(connection)

    run(connection, "SET LOCAL lock_timeout = 0; COMMIT")
    assert ("table", "public.u") in Fingerprint.read(connection).objects


@pytest.mark.parametrize("begin", ["SELECT 1", "BEGIN READ ONLY"])
def test_what_is_dropped_meanwhile_is_not_there(
    connection: psycopg.Connection, database: str, begin: str
) -> None:
    before = Fingerprint.read(connection)
    run(connection, "CREATE TABLE t (id integer); CREATE VIEW v AS TABLE t")
    run(connection, begin)
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND pid = %s"
    with psycopg.connect(database) as other, ThreadPoolExecutor() as threads:
        other.execute("DROP TABLE t CASCADE")
        reading = threads.submit(Fingerprint.read, connection)
        while not other.execute(waiting, [connection.info.backend_pid]).rowcount:
            assert not reading.done()
        other.commit()

    assert reading.result() == before


def test_who_may_only_read_reads_the_same(connection: psycopg.Connection, database: str) -> None:
    run(connection, ONE_OF_EVERYTHING.read_text())
    run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC; ANALYZE")
    name = f"reader_{uuid.uuid4().hex}"
    run(connection, f"CREATE ROLE {name} LOGIN; REVOKE ALL ON SCHEMA public FROM {name}")
    try:
        conninfo = make_conninfo(database, user=name)
        with psycopg.connect(conninfo, options="-c default_transaction_read_only=on") as reader:
            read = Fingerprint.read(reader)
    finally:
        run(connection, f"DROP ROLE {name}")

    assert read.role == name
    assert read.objects == Fingerprint.read(connection).objects


def test_it_waits_for_nobody_who_works_with_the_rows(
    connection: psycopg.Connection, database: str
) -> None:
    run(connection, ONE_OF_EVERYTHING.read_text())
    before = Fingerprint.read(connection)
    with psycopg.connect(database) as writer:
        writer.execute("LOCK TABLE books, parted, quick IN EXCLUSIVE MODE")
        run(connection, "SET lock_timeout = '100ms'")

        assert Fingerprint.read(connection) == before


# --- Versions


@pytest.fixture(scope="module")
def by_version() -> Iterator[dict[int, Fingerprint]]:
    """One of everything, as servers of three versions have it."""
    found = {}
    with ExitStack() as stack:
        for major in (15, 16, 18):
            home = Path(tempfile.mkdtemp(prefix="catalog-server-"))
            stack.callback(shutil.rmtree, home)
            home.chmod(0o755)
            server = stack.enter_context(
                EmbeddedServer(
                    home,
                    bindir=Version(major).bindir,
                    initdb_options=["--locale=C"],
                    settings={"fsync": "off"},
                )
            )
            with psycopg.connect(server.conninfo, autocommit=True) as connection:
                run(connection, ONE_OF_EVERYTHING.read_text())
                found[major] = Fingerprint.read(connection)
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("other", [15, 16, 18])
@pytest.mark.parametrize("one", [15, 16, 18])
def test_one_schema_is_the_same_on_all_versions(
    by_version: dict[int, Fingerprint], one: int, other: int
) -> None:
    assert told(compare(by_version[one], by_version[other])) == {}
    assert compare(by_version[one], by_version[other], owners=False) == []
    assert len(by_version[one].objects) == len(by_version[other].objects) > 200


@pytest.mark.slow
def test_versions_write_down_views_differently(by_version: dict[int, Fingerprint]) -> None:
    texts = {
        major: by_version[major].objects["view", "public.checked"]["definition"].split()
        for major in by_version
    }

    assert texts[15][1:3] == ["parent.p,", "parent.q"]
    assert texts[16][1:3] == texts[18][1:3] == ["p,", "q"]
