"""`check`: which faults of migrations it finds, and that it invents none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo

from catalog.migrations.foresight.check import Check, Checked, RowsLost
from catalog.migrations.foresight.rehearsal import Rehearsal
from catalog.migrations.foresight.scratch import scratch_database
from catalog.migrations.migration import Migration, Script
from catalog.settings import DatabaseUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.embedded import EmbeddedServer
    from catalog.migrations.events import Event

BASE = """
    CREATE TYPE mood AS ENUM ('well', 'unwell');
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TABLE u (id integer PRIMARY KEY);
    CREATE TABLE t (
        id integer PRIMARY KEY,
        name varchar(10),
        mood mood,
        number integer,
        u_id integer
    );
    ALTER TABLE t ADD CONSTRAINT known CHECK (number > 0) NOT VALID;
    CREATE INDEX t_number ON t (number);
    CREATE SEQUENCE s;
    CREATE VIEW v AS SELECT id FROM t;
    CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""

# What the up does, a down that does not undo it, and what is to be found.
FAULTS = {
    "an index": ("CREATE INDEX i ON t (name);", "", "index public.i"),
    "a default": ("ALTER TABLE t ALTER number SET DEFAULT 1;", "", "column public.t.number"),
    "a column": ("ALTER TABLE t ADD extra text;", "", "column public.t.extra"),
    "NOT NULL": ("ALTER TABLE t ALTER number SET NOT NULL;", "", "column public.t.number"),
    "a grant": ("GRANT SELECT ON t TO PUBLIC;", "", "table public.t"),
    "a grant on a column": ("GRANT SELECT (id) ON t TO PUBLIC;", "", "column public.t.id"),
    "a comment": ("COMMENT ON TABLE t IS 'x';", "", "table public.t"),
    "a comment on a column": ("COMMENT ON COLUMN t.id IS 'x';", "", "column public.t.id"),
    "an enum's value": ("ALTER TYPE mood ADD VALUE 'so so';", "", "enum public.mood"),
    "a trigger": (
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf();",
        "",
        "trigger public.t.tr",
    ),
    "a validated constraint": (
        "ALTER TABLE t VALIDATE CONSTRAINT known;",
        "",
        "constraint public.t.known",
    ),
    "a sequence's owner": ("ALTER SEQUENCE s OWNED BY t.id;", "", "sequence public.s"),
    "a column's type": (
        "ALTER TABLE t ALTER name TYPE text;",
        "ALTER TABLE t ALTER name TYPE varchar(20);",
        "column public.t.name",
    ),
    "a collation": (
        'ALTER TABLE t ALTER name TYPE varchar(10) COLLATE "C";',
        "",
        "column public.t.name",
    ),
    "an identity": (
        "ALTER TABLE u ALTER id ADD GENERATED ALWAYS AS IDENTITY;",
        "",
        "column public.u.id, sequence public.u_id_seq",
    ),
    "a view": ("CREATE VIEW w AS SELECT 1;", "", "view public.w"),
    "a view's columns": (
        "CREATE OR REPLACE VIEW v AS SELECT id, name FROM t;",
        "",
        "view public.v, column public.v.name",
    ),
    "a function's body": (
        "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2';",
        "",
        "function public.f()",
    ),
    "a policy": ("CREATE POLICY p ON t USING (true);", "", "policy public.t.p"),
    "row level security": (
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY;",
        "",
        "table public.t",
    ),
    "a storage parameter": ("ALTER TABLE t SET (fillfactor = 70);", "", "table public.t"),
    "a domain": ("CREATE DOMAIN d AS text;", "", "domain public.d"),
    "a domain's default": ("ALTER DOMAIN positive SET DEFAULT 1;", "", "domain public.positive"),
    "a foreign key": (
        "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (u_id) REFERENCES u;",
        "",
        "constraint public.t.fk",
    ),
    "an index too many dropped": (
        "CREATE INDEX i ON t (name);",
        "DROP INDEX i; DROP INDEX t_number;",
        "index public.t_number",
    ),
    "an index that is another one": (
        "DROP INDEX t_number;",
        "CREATE INDEX t_number ON t (number DESC);",
        "index public.t_number",
    ),
    "a schema": ("CREATE SCHEMA x;", "", "schema x"),
    "statistics": ("CREATE STATISTICS st ON id, number FROM t;", "", "statistics public.st"),
    "a rule": (
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;",
        "",
        "rule public.t.r",
    ),
    "a sequence's step": ("ALTER SEQUENCE s INCREMENT 2;", "", "sequence public.s"),
    "an owner": ("ALTER TABLE u OWNER TO pg_monitor;", "", "table public.u"),
}

SOUND = {
    "a table": (
        "CREATE TABLE x (id serial PRIMARY KEY, t_id integer REFERENCES t, UNIQUE (t_id));",
        "DROP TABLE x;",
    ),
    "a column": (
        "ALTER TABLE t ADD extra text DEFAULT 'x' NOT NULL;",
        "ALTER TABLE t DROP extra;",
    ),
    "an index": ("CREATE INDEX i ON t (name);", "DROP INDEX i;"),
    "a concurrent index": (
        "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (name);",
        "-- migrate: no-transaction\nDROP INDEX CONCURRENTLY i;",
    ),
    "a grant": ("GRANT SELECT ON t TO PUBLIC;", "REVOKE SELECT ON t FROM PUBLIC;"),
    "a type": (
        "ALTER TABLE t ALTER number TYPE bigint;",
        "ALTER TABLE t ALTER number TYPE integer;",
    ),
    "rows": ("INSERT INTO u VALUES (1);", "DELETE FROM u;"),
    "a view made anew": (
        "DROP VIEW v; CREATE VIEW v AS SELECT id, name FROM t;",
        "DROP VIEW v; CREATE VIEW v AS SELECT id FROM t;",
    ),
    "an identity": (
        "CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY);",
        "DROP TABLE x;",
    ),
    "a rename": ("ALTER TABLE t RENAME name TO label;", "ALTER TABLE t RENAME label TO name;"),
    "a role that is not there": (
        "GRANT SELECT ON t TO catalog_test_reader;",
        "REVOKE SELECT ON t FROM catalog_test_reader;",
    ),
    "nothing": ("-- nothing", "-- nothing"),
}


def migration(number: int, up: str, down: str | None) -> Migration:
    name = f"{number:04}_m"
    return Migration(
        name,
        number,
        Script(f"{name}.up.sql", up),
        None if down is None else Script(f"{name}.down.sql", down),
    )


def ignore(_: Event) -> None:
    pass


@pytest.fixture
def rehearsal(embedded_server: EmbeddedServer) -> Iterator[Rehearsal]:
    with rehearsing(embedded_server) as rehearsal:
        yield rehearsal


@contextmanager
def rehearsing(server: EmbeddedServer) -> Iterator[Rehearsal]:
    url = DatabaseUrl(make_conninfo(server.conninfo, dbname="postgres"), "the test")
    with (
        scratch_database(url, wait=10, tell=ignore) as scratch,
        Rehearsal(scratch, wait=10, tell=ignore) as rehearsal,
    ):
        yield rehearsal


def checked(rehearsal: Rehearsal, up: str, down: str | None) -> Checked:
    """What is found of one migration after the base."""
    migrations = [migration(1, BASE, None), migration(2, up, down)]
    [found] = Check(rehearsal).run(migrations, since="1", seed=None)
    return found


@pytest.mark.few(5)
@pytest.mark.parametrize(("up", "down", "what"), FAULTS.values(), ids=FAULTS)
def test_a_down_that_forgets_is_found(rehearsal: Rehearsal, up: str, down: str, what: str) -> None:
    found = checked(rehearsal, up, down)

    assert not found.is_sound
    assert {f"{each.kind} {each.name}" for each in found.not_restored} == set(what.split(", "))


@pytest.mark.few(5)
@pytest.mark.parametrize(("up", "down"), SOUND.values(), ids=SOUND)
def test_a_sound_pair_has_no_finding(rehearsal: Rehearsal, up: str, down: str) -> None:
    if "catalog_test_reader" in up:
        rehearsal.connection.execute(
            "DO $$ BEGIN CREATE ROLE catalog_test_reader; EXCEPTION WHEN duplicate_object"
            " OR unique_violation THEN END $$"
        )

    found = checked(rehearsal, up, down)

    assert found.is_sound, (found.not_restored, found.not_repeated, found.failure)
    assert not found.notes


def test_a_second_up_that_gives_something_else_is_found(rehearsal: Rehearsal) -> None:
    found = checked(
        rehearsal,
        "DO $$ BEGIN EXECUTE format('CREATE TABLE x_%s ()', nextval('s')); END $$;",
        "DO $$ BEGIN EXECUTE format('DROP TABLE x_%s', currval('s')); END $$;",
    )

    assert found.not_restored == []
    assert [each.name for each in found.not_repeated] == ["public.x_1", "public.x_2"]


def test_an_order_of_columns_that_no_down_restores_is_noted(rehearsal: Rehearsal) -> None:
    found = checked(
        rehearsal,
        "DROP VIEW v; ALTER TABLE t DROP id;",
        "ALTER TABLE t ADD id integer PRIMARY KEY; CREATE VIEW v AS SELECT id FROM t;",
    )

    assert found.is_sound
    assert {each.name for each in found.notes} == {"public.t"}


def test_a_migration_without_a_down_is_checked_as_far_as_it_goes(rehearsal: Rehearsal) -> None:
    found = checked(rehearsal, "CREATE TABLE x (id integer);", None)

    assert found.is_sound


@pytest.mark.parametrize(
    ("up", "down", "stage"),
    [
        ("CREATE TABLE x (id nonsense);", "DROP TABLE x;", "up"),
        ("CREATE TABLE x (id integer);", "DROP TABLE y;", "down"),
        ("CREATE TABLE x (id integer);", "-- nothing", "up again"),
    ],
)
def test_a_script_that_fails_is_a_finding(
    rehearsal: Rehearsal, up: str, down: str, stage: str
) -> None:
    found = checked(rehearsal, up, down)

    assert found.failure
    assert found.failed_in == stage
    assert not found.is_sound


def test_what_comes_after_a_down_that_fails_is_checked_too(rehearsal: Rehearsal) -> None:
    migrations = [
        migration(1, "CREATE TABLE x (id integer);", "DROP TABLE y;"),
        migration(2, "CREATE INDEX i ON x (id);", "DROP INDEX i;"),
    ]

    found = list(Check(rehearsal).run(migrations, since=None, seed=None))

    assert [each.is_sound for each in found] == [False, True]


def test_all_faults_of_a_history_are_found_in_one_run(rehearsal: Rehearsal) -> None:
    migrations = [migration(1, BASE, None)]
    migrations += [
        migration(number, up, down)
        for number, (up, down, _) in enumerate(
            (FAULTS[name] for name in ("an index", "a view", "a domain", "a comment")), start=2
        )
    ]
    migrations.append(migration(6, "CREATE INDEX j ON t (mood);", "DROP INDEX j;"))

    found = list(Check(rehearsal).run(migrations, since=None, seed=None))

    assert [each.is_sound for each in found] == [True, False, False, False, False, True]
    assert [each.failed_in for each in found[1:5]] == ["up again", "up again", "up again", ""]


def test_rows_lost_by_the_newest_migration_are_counted(rehearsal: Rehearsal) -> None:
    migrations = [
        migration(1, "CREATE TABLE a (id integer);", "DROP TABLE a;"),
        migration(2, "CREATE TABLE b (id integer);", "DROP TABLE b; DELETE FROM a WHERE id = 1;"),
    ]
    seed = Script("seed.sql", "INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1), (2), (3);")

    *_, with_rows = Check(rehearsal).run(migrations, since=None, seed=seed)

    assert with_rows.rows_lost == [
        RowsLost("a", 2, 1, dropped=False),
        RowsLost("b", 3, 0, dropped=True),
    ]
    assert not with_rows.is_sound  # for the rows of the table that stays


def test_a_down_that_fails_with_rows_only_is_found(rehearsal: Rehearsal) -> None:
    migrations = [
        migration(
            1,
            "CREATE TABLE a (id integer);",
            "DO $$ BEGIN IF EXISTS (SELECT FROM a) THEN RAISE 'rows'; END IF; END $$;\n"
            "DROP TABLE a;",
        )
    ]

    first, with_rows = Check(rehearsal).run(
        migrations, since=None, seed=Script("seed.sql", "INSERT INTO a VALUES (1);")
    )

    assert first.is_sound
    assert (with_rows.failed_in, with_rows.with_rows) == ("down", True)
