"""`bin/migrate check`, `plan`, `verify` and `adopt`, as their users call them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.settings import ROOT
from tests.whole.projects import Project, holding, wait_for
from tests.whole.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.embedded import EmbeddedServer
    from tests.whole.trees import Done, Tree

NOWHERE = {"DATABASE_URL": "host=127.0.0.1 port=1 dbname=x"}

LIBRARY = {
    "0001_create_books.up.sql": """
        CREATE TABLE "Books" (id integer PRIMARY KEY, title text, year integer);
        CREATE TYPE mood AS ENUM ('well', 'unwell');
        CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE SEQUENCE s;
        CREATE VIEW v AS SELECT id, title FROM "Books";
    """,
    "0001_create_books.down.sql": """
        DROP VIEW v; DROP SEQUENCE s; DROP FUNCTION f(); DROP TYPE mood; DROP TABLE "Books";
    """,
    "0002_index_years.up.sql": 'CREATE INDEX "Books_year_idx" ON "Books" (year);',
    "0002_index_years.down.sql": 'DROP INDEX "Books_year_idx";',
}


@pytest.fixture
def library(project: Project, embedded_server: EmbeddedServer) -> Iterator[Library]:
    """A project with two migrations, and a server for its scratch databases."""
    project.write(LIBRARY)
    name = f"scratch_{project.query('SELECT current_database()')[0][0]}"
    with psycopg.connect(
        make_conninfo(embedded_server.conninfo, dbname="postgres"), autocommit=True
    ) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield Library(project, make_conninfo(embedded_server.conninfo, dbname=name))
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        server.execute(drop.format(sql.Identifier(name)))


class Library:
    """A project, and how to look into its future."""

    def __init__(self, project: Project, scratch_url: str) -> None:
        self.project = project
        self.scratch_url = scratch_url

    def foresee(self, *arguments: str, code: int = 0, **options: Any) -> Done:
        done = self.project.migrate(*arguments, "--scratch-url", self.scratch_url, **options)
        assert (done.code, done.err) == (code, ""), done
        return done

    def document(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.foresee(*arguments, "--json", code=code).out)
        return found


# --- check


def test_this_projects_own_migrations_are_sound(tree: Tree) -> None:
    done = tree.run("migrate", "check", "--seed", ROOT / "sql/seed.sql", env=NOWHERE)

    assert (done.code, done.err) == (0, "")
    assert "6 migrations checked, and all sound." in done.out


def test_a_forgetful_down_is_shown_as_a_small_diff(library: Library) -> None:
    library.project.write(
        {
            "0003_more.up.sql": "ALTER TABLE \"Books\" ALTER title SET DEFAULT 'x', ADD pages int;",
            "0003_more.down.sql": "-- nothing",
        }
    )

    done = library.foresee("check", code=1, env=NOWHERE)

    assert (
        """\
  0001_create_books                        sound
  0002_index_years                         sound
  0003_more                                not sound
    its up again fails:
      0003_more.up.sql:1:1: column "pages" of relation "Books" already exists
"""
        in done.out
    )
    assert (
        """\
    its down does not restore what was there before its up:
      column "Books".pages is left behind
      column "Books".title is not what it was
        - before  default: none
        + after   default: 'x'::text
"""
        in done.out
    )
    assert done.out.endswith("1 of 3 migrations not sound.\n")


def test_check_has_a_document(library: Library) -> None:
    library.project.write({"0003_more.up.sql": "CREATE TABLE more ();"})

    found = library.document("check", "--from", "2")

    assert found["error"] is None
    [migration] = found["migrations"]
    assert (migration["name"], migration["version"]) == ("0003_more", 3)
    assert (migration["sound"], migration["irreversible"]) == (True, True)


def test_an_extension_that_the_scratch_server_lacks_is_the_reason(library: Library) -> None:
    library.project.write({"0003_more.up.sql": "CREATE EXTENSION no_such_extension;"})

    failed = library.project.fail("check", "--scratch-url", library.scratch_url, env=NOWHERE)

    assert failed.err == (
        '0003_more.up.sql needs the extension "no_such_extension", which the scratch server'
        " (Postgres 18) does not have; name a server that has it with --scratch-url\n"
    )


@pytest.mark.slow
def test_a_role_that_is_taken_for_granted_is_made_on_our_own_server(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (); GRANT SELECT ON a TO some_reader;",
            "0001_a.down.sql": "DROP TABLE a;",
        }
    )

    for _ in range(2):  # it does not stay
        done = project.succeed("check", env=NOWHERE)

        assert 'role "some_reader" was not there, and was made for this' in done.out


@pytest.mark.slow
def test_a_role_that_a_migration_makes_does_not_outlive_the_check(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE ROLE some_writer;",
            "0001_a.down.sql": "DROP ROLE some_writer;",
        }
    )

    for _ in range(2):
        assert "all sound" in project.succeed("check", env=NOWHERE).out


SPOILING = {
    "a database": "-- migrate: no-transaction\nCREATE DATABASE other_of_spoiling;",
    "an owner": "-- migrate: no-transaction\nCREATE ROLE boss; CREATE DATABASE o OWNER boss;",
    "a parameter": "CREATE ROLE spoiling; GRANT SET ON PARAMETER log_min_messages TO spoiling;",
    "a role's setting": "ALTER ROLE postgres SET default_transaction_read_only = on;",
    "the server's setting": "-- migrate: no-transaction\nALTER SYSTEM SET max_connections = 1;",
    "a subscription": "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = off);",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SPOILING.values(), ids=SPOILING)
def test_what_a_migration_does_to_the_server_meets_no_other_command(
    project: Project, script: str
) -> None:
    project.write({"0001_a.up.sql": script})

    for _ in range(2):
        assert "all sound" in project.migrate("check", env=NOWHERE).out


def test_a_role_that_another_server_has_already_is_the_reason(library: Library) -> None:
    [(role,)] = library.project.query("SELECT 'role_of_' || current_database()")
    library.project.query(f"CREATE ROLE {role}")
    library.project.write({"0003_role.up.sql": f"CREATE ROLE {role};"})

    failed = library.project.fail("check", "--scratch-url", library.scratch_url, env=NOWHERE)

    library.project.query(f"DROP ROLE {role}")
    assert f'0003_role.up.sql makes the role "{role}", which the scratch server has' in failed.err


def test_a_role_is_made_again_when_the_check_starts_over(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (); GRANT SELECT ON a TO some_reader;",
            "0001_a.down.sql": "DROP TABLE a;",
            "0002_b.up.sql": "CREATE TABLE b ();",
            "0002_b.down.sql": "DROP TABLE nowhere;",
            "0003_c.up.sql": "CREATE TABLE c ();",
            "0003_c.down.sql": "DROP TABLE c;",
        }
    )

    failed = project.fail("check", env=NOWHERE)

    assert "1 of 3 migrations not sound." in failed.out


def test_what_was_found_before_a_failure_is_in_the_document(library: Library) -> None:
    library.project.write({"0003_more.up.sql": "CREATE EXTENSION no_such_extension;"})

    failed = library.project.fail("check", "--scratch-url", library.scratch_url, "--json")

    found = json.loads(failed.out)
    assert [each["name"] for each in found["migrations"]] == [
        "0001_create_books",
        "0002_index_years",
    ]
    assert found["scratch"]["server_version"] >= 150000
    assert found["error"]["kind"] == "ScratchUnavailable"


@pytest.mark.slow
def test_what_a_killed_command_left_is_cleared_by_the_next(library: Library) -> None:
    process, scratch = started(library)
    process.kill()
    process.communicate()
    # Its server processes go when they notice.
    wait_for(
        library.project,
        f"SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{scratch}')",
    )
    library.project.write({"0003_slow.up.sql": "SELECT 1;"})

    library.foresee("check")

    assert library.project.query(f"SELECT FROM pg_database WHERE datname = '{scratch}'") == []


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_removes_its_scratch_database(
    library: Library, number: signal.Signals
) -> None:
    process, scratch = started(library)
    began = time.monotonic()
    process.send_signal(number)

    _, err = process.communicate(timeout=20)

    assert process.returncode == 128 + number
    assert "interrupted" in err
    assert time.monotonic() - began < 3
    assert library.project.query(f"SELECT FROM pg_database WHERE datname = '{scratch}'") == []


def test_two_at_once_do_not_disturb_each_other(library: Library) -> None:
    both = [library.project.start("check", "--scratch-url", library.scratch_url) for _ in range(2)]

    for process in both:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert "all sound" in out


@pytest.mark.slow
def test_two_at_once_on_our_own_server_take_turns(project: Project) -> None:
    project.write({**LIBRARY, "0003_slow.up.sql": "SELECT pg_sleep(2);"})
    both = [project.start("check") for _ in range(2)]

    outs = []
    for process in both:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        outs.append(out)
    assert any("waiting for another command that uses the scratch server" in out for out in outs)


def started(library: Library) -> tuple[subprocess.Popen[str], str]:
    """A check that has come to a slow migration, and the name of its scratch database."""
    [(mine,)] = library.project.query("SELECT current_database()")
    library.project.write({"0003_slow.up.sql": f"SELECT pg_sleep(4) AS {mine};"})
    process = library.project.start("check", "--scratch-url", library.scratch_url, env=NOWHERE)
    running = (
        f"SELECT datname FROM pg_stat_activity WHERE query LIKE '%AS {mine};%'"
        " AND datname LIKE 'catalog\\_scratch\\_%'"
    )
    wait_for(library.project, running)
    [(scratch,)] = library.project.query(running)
    return process, scratch


# --- plan


def test_plan_says_what_the_pending_migrations_will_do(library: Library) -> None:
    library.project.succeed("up", "1")
    library.project.query('INSERT INTO "Books" SELECT n FROM generate_series(1, 12345) AS n')
    library.project.query('ANALYZE "Books"')
    library.project.write({"0003_column.up.sql": 'ALTER TABLE "Books" ADD isbn text;'})

    done = library.foresee("plan")

    assert (
        '0002_index_years: blocks writes on "Books" (12.3 k rows, 440 kB) while it builds an index'
        in done.out
    )
    assert '0002_index_years.up.sql:1: CREATE INDEX "Books_year_idx" ON "Books" (year)' in done.out
    assert 'locks "Books" (12.3 k rows, 440 kB) in SHARE mode, which blocks writes' in done.out
    assert "CREATE INDEX CONCURRENTLY" in done.out
    assert "lock_timeout 2s" in done.out
    assert "0003_column: safe while the application runs" in done.out
    assert "rewrite" not in done.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "limit"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a);", "none"),
        ("-- migrate: no-transaction\nDO $$ BEGIN COMMIT; END $$;", "none"),
        (
            "-- migrate: no-transaction\nALTER TABLE t ADD b int; DO $$ BEGIN END $$;",
            "2s, none for",
        ),
        ("-- migrate: no-transaction lock_timeout=5s\nDO $$ BEGIN COMMIT; END $$;", "5s"),
        ("DO $$ BEGIN END $$;", "2s"),
    ],
    ids=["concurrently", "commit", "mixed", "head", "transaction"],
)
def test_plan_says_which_lock_timeout_will_hold(project: Project, script: str, limit: str) -> None:
    project.write({"0001_t.up.sql": "CREATE TABLE t (a int);"})
    project.succeed("up")
    say = "RAISE NOTICE 'limit %', current_setting('lock_timeout');"
    project.write({"0002_x.up.sql": script.replace("BEGIN", f"BEGIN {say}")})

    planned = project.succeed("plan").out
    applied = project.succeed("up").out

    assert f"    lock_timeout {limit}" in planned
    # A database's own setting would hold; here it has none.
    real = "0" if "none" in limit else limit
    assert "limit" not in applied or f"limit {real}\n" in applied


def test_plan_has_a_document(library: Library) -> None:
    library.project.succeed("up", "1")

    found = library.document("plan")

    assert found["error"] is None
    [migration] = found["migrations"]
    assert migration["name"] == "0002_index_years"
    assert migration["kinds"] == ["blocking"]
    assert migration["timeouts"] == {"lock_timeout": "2s"}
    [statement] = migration["statements"]
    assert statement["line"] == 1
    assert {
        "table": '"Books"',
        "mode": "SHARE",
        "blocks": "writes",
        "via": None,
        "rows": 0,
        "bytes": 0,
    } in statement["locks"]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("kinds", "head", "code"),
    [
        ("blocking", "", 1),
        ("rewrite", "", 0),
        ("drop,blocking", "", 1),
        ("blocking", "-- migrate: allow=blocking\n", 0),
        ("blocking", "-- migrate: allow=drop\n", 1),
    ],
)
def test_plan_fails_on_what_it_is_told_to(
    library: Library, kinds: str, head: str, code: int
) -> None:
    library.project.succeed("up", "1")
    library.project.write({"0002_index_years.up.sql": head + LIBRARY["0002_index_years.up.sql"]})

    library.foresee("plan", "--fail-on", kinds, code=code)


@pytest.mark.slow
def test_plan_reads_the_target_in_three_trips(library: Library) -> None:
    library.project.succeed("up", "1")
    with Proxy(library.project.database) as proxy:
        far = Library(replace(library.project, database=proxy.conninfo), library.scratch_url)

        far.foresee("plan")

        assert len(proxy.trips) <= 3
        assert proxy.connections == 1


@pytest.mark.slow
def test_plan_of_nothing_says_so(library: Library) -> None:
    library.project.succeed("up")

    assert "Nothing is pending" in library.foresee("plan").out


@pytest.mark.slow
def test_plan_shows_where_a_migration_would_fail(library: Library) -> None:
    library.project.succeed("up", "1")
    library.project.write({"0003_broken.up.sql": "\nALTER TABLE nowhere ADD x int;"})

    failed = library.project.fail("plan", "--scratch-url", library.scratch_url)

    assert "0002_index_years: blocks writes" in failed.out
    assert '0003_broken.up.sql:2:1: relation "nowhere" does not exist' in failed.err


@pytest.mark.slow
def test_plan_names_the_index_and_the_table_through_which_a_lock_is_felt(library: Library) -> None:
    library.project.write(
        {
            "0001_create_books.up.sql": """
                CREATE TABLE a (id int PRIMARY KEY, b int);
                CREATE TABLE r (a_id int REFERENCES a);
                CREATE INDEX ab ON a (b);
            """,
            "0002_index_years.up.sql": "REINDEX INDEX ab; ALTER TABLE a ADD x int;",
        }
    )
    library.project.succeed("up", "1")

    text = library.foresee("plan").out
    [migration] = library.document("plan")["migrations"]

    assert "through index ab in ACCESS EXCLUSIVE mode, which blocks reads and writes" in text
    assert "through table a in ACCESS EXCLUSIVE mode, which blocks writes" in text
    assert [lock["via"] for lock in migration["statements"][1]["locks"]] == [None, "a"]


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_a_target_that_somebody_has_locked_is_not_waited_for_without_end(
    library: Library, command: str
) -> None:
    library.project.write(
        {
            "0001_create_books.up.sql": """
                CREATE TABLE p (id int CHECK (id > 0)) PARTITION BY RANGE (id);
                CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9);
            """,
            "0002_index_years.up.sql": "CREATE INDEX ON p (id);",
        }
    )
    library.project.succeed("up", "1")
    with holding(library.project, "LOCK TABLE p IN ACCESS EXCLUSIVE MODE"):
        done = library.project.migrate(command, "--wait", "1", "--scratch-url", library.scratch_url)

    if command == "plan":
        assert done.code == 0
    else:
        assert (done.code, len(done.lines)) == (1, 1)
        assert "lock timeout" in done.err


# --- verify


DRIFTS = {
    'CREATE INDEX "Books_title_idx" ON "Books" (title)': (
        'index "Books_title_idx" is in the database and in no migration'
    ),
    'DROP INDEX "Books_year_idx"': (
        'index "Books_year_idx" is in the migrations and not in the database'
    ),
    "ALTER TABLE \"Books\" ALTER title SET DEFAULT 'x'": 'column "Books".title differs',
    'ALTER TABLE "Books" ALTER title SET NOT NULL': 'column "Books".title differs',
    'ALTER TABLE "Books" ALTER year TYPE bigint': 'column "Books".year differs',
    'ALTER TABLE "Books" ADD extra text': (
        'column "Books".extra is in the database and in no migration'
    ),
    'ALTER TABLE "Books" ADD CONSTRAINT c CHECK (id > 0) NOT VALID': (
        'constraint "Books".c is in the database and in no migration (not validated)'
    ),
    "CREATE TABLE extra ()": "table extra is in the database and in no migration",
    'DROP TABLE "Books" CASCADE': 'table "Books" is in the migrations and not in the database',
    "ALTER TYPE mood ADD VALUE 'so so'": "enum mood differs",
    "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2'": (
        "function f() differs"
    ),
    "ALTER SEQUENCE s INCREMENT 2": "sequence s differs",
    "DROP VIEW v": "view v is in the migrations and not in the database",
    'GRANT SELECT ON "Books" TO PUBLIC': 'table "Books" differs',
    "COMMENT ON TABLE \"Books\" IS 'x'": 'table "Books" differs',
    'ALTER TABLE "Books" ENABLE ROW LEVEL SECURITY': 'table "Books" differs',
    'CREATE POLICY p ON "Books" USING (true)': (
        'policy "Books".p is in the database and in no migration'
    ),
    'ALTER TABLE "Books" SET (fillfactor = 70)': 'table "Books" differs',
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Books_year_idx\"'::regclass": (
        'index "Books_year_idx" differs (INVALID)'
    ),
}


@pytest.mark.few(2)
@pytest.mark.parametrize(("change", "said"), DRIFTS.items())
def test_verify_finds_a_drift(library: Library, change: str, said: str) -> None:
    library.project.succeed("up")
    library.project.query(change)

    done = library.foresee("verify", code=1)

    assert said in done.out.splitlines()


def test_verify_of_a_fresh_database_is_ok(library: Library) -> None:
    library.project.succeed("up")

    done = library.foresee("verify")

    assert done.out.splitlines()[-1] == "ok: the schema is that of 0002_index_years"


@pytest.mark.slow
def test_verify_compares_with_the_version_that_the_target_is_at(library: Library) -> None:
    library.project.succeed("up", "1")

    assert "ok: the schema is that of 0001_create_books" in library.foresee("verify").out


@pytest.mark.slow
def test_verify_goes_by_the_ledger_where_a_file_is_gone(library: Library) -> None:
    library.project.succeed("up")
    (library.project.folder / "0002_index_years.up.sql").unlink()
    (library.project.folder / "0002_index_years.down.sql").unlink()

    assert "ok" in library.foresee("verify").out


@pytest.mark.slow
def test_verify_tells_what_is_odd_about_the_ledger(library: Library) -> None:
    library.project.succeed("up")
    (library.project.folder / "0001_create_books.up.sql").unlink()
    (library.project.folder / "0001_create_books.down.sql").unlink()

    done = library.foresee("verify", code=1)

    assert "0001_create_books: applied, and there is no file" in done.out


@pytest.mark.slow
def test_verify_leaves_out_what_it_is_told_to(library: Library) -> None:
    library.project.succeed("up")
    library.project.query('CREATE TABLE tmp_a (); CREATE INDEX tmp_i ON "Books" (title)')

    library.foresee("verify", "--ignore", "table public.tmp_*", code=1)
    library.foresee("verify", "--ignore", "public.tmp_*")
    library.foresee("verify", "--ignore", "table tmp_a", "--ignore", "index tmp_*")


@pytest.mark.slow
def test_verify_leaves_out_schemas_that_no_migration_touches(library: Library) -> None:
    library.project.succeed("up")
    library.project.query("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.t (id integer)")

    library.foresee("verify")


@pytest.mark.slow
def test_verify_has_a_document(library: Library) -> None:
    library.project.succeed("up")
    library.project.query("ALTER SEQUENCE s INCREMENT 2")

    found = library.document("verify", code=1)

    assert found["at"] == "0002_index_years"
    assert found["differences"] == [
        {
            "kind": "sequence",
            "name": "public.s",
            "state": "different",
            "changed": [{"fact": "increment", "before": "1", "after": "2"}],
        }
    ]


# --- adopt


def test_a_database_at_a_version_of_the_files_is_adopted_there(library: Library) -> None:
    library.project.query(LIBRARY["0001_create_books.up.sql"])
    library.project.query('CREATE TABLE "SequelizeMeta" (name varchar(255) PRIMARY KEY)')
    library.project.query("INSERT INTO \"SequelizeMeta\" VALUES ('x.js')")

    done = library.foresee("adopt")

    assert "adopted at 0001_create_books: 1 migration recorded as applied." in done.out
    assert library.project.applied == ["0001_create_books"]
    assert library.project.query('SELECT * FROM "SequelizeMeta"') == [("x.js",)]
    assert "ok" in library.foresee("verify").out
    library.project.succeed("up")
    assert library.project.applied == ["0001_create_books", "0002_index_years"]


@pytest.mark.slow
def test_a_dry_run_of_adopt_records_nothing(library: Library) -> None:
    library.project.query(LIBRARY["0001_create_books.up.sql"])

    done = library.foresee("adopt", "--dry-run")

    assert "would be adopted at 0001_create_books" in done.out
    assert library.project.applied == []


@pytest.mark.slow
def test_a_database_at_no_version_is_left_alone_until_it_is_forced(library: Library) -> None:
    library.project.query(LIBRARY["0001_create_books.up.sql"])
    library.project.query('ALTER TABLE "Books" ADD extra text')

    done = library.foresee("adopt", code=1)
    assert "The nearest is 0001_create_books, with 1 difference." in done.out
    done = library.foresee("adopt", "--to", "1", code=1)
    assert 'column "Books".extra is in the database and in no migration' in done.out
    assert library.project.applied == []

    library.foresee("adopt", "--to", "1", "--force")

    assert library.project.applied == ["0001_create_books"]


@pytest.mark.slow
def test_a_migration_after_the_version_may_fail(library: Library) -> None:
    library.project.write({"0003_more.up.sql": "CREATE EXTENSION no_such_extension;"})
    library.project.query(LIBRARY["0001_create_books.up.sql"])

    library.foresee("adopt", "--dry-run")
    library.foresee("adopt", "--to", "1")

    assert library.project.applied == ["0001_create_books"]


@pytest.mark.slow
def test_of_versions_with_one_schema_somebody_has_to_choose(library: Library) -> None:
    library.project.write({"0003_rows.up.sql": 'INSERT INTO "Books" VALUES (1);'})
    library.project.query(LIBRARY["0001_create_books.up.sql"])
    library.project.query(LIBRARY["0002_index_years.up.sql"])

    done = library.foresee("adopt", code=1)
    assert "bin/migrate adopt --to 0003_rows" in done.out
    assert library.project.applied == []

    library.foresee("adopt", "--to", "0002")

    assert library.project.applied == ["0001_create_books", "0002_index_years"]


@pytest.mark.slow
def test_what_is_adopted_is_not_adopted_again(library: Library) -> None:
    library.project.succeed("up", "1")

    failed = library.project.fail("adopt", "--scratch-url", library.scratch_url)

    assert "the ledger knows migrations already, the newest is 0001_create_books" in failed.err


@pytest.mark.slow
def test_another_tools_table_in_the_place_of_the_ledger_is_named(library: Library) -> None:
    library.project.query(LIBRARY["0001_create_books.up.sql"])
    library.project.query("CREATE TABLE schema_migrations (version bigint, dirty boolean)")

    failed = library.project.fail("adopt", "--scratch-url", library.scratch_url)
    assert "--table SCHEMA.NAME" in failed.err

    library.foresee("adopt", "--table", "public.catalog_migrations")


# --- The target


READER = "catalog_test_reads"


@pytest.fixture
def reader(library: Library) -> Iterator[str]:
    """The conninfo of a role that may only read the library's database."""
    role = f"{READER}_{library.project.query('SELECT current_database()')[0][0]}"
    library.project.succeed("up", "1")
    library.project.query(
        f"CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
        f"ALTER ROLE {role} SET default_transaction_read_only = on"
    )
    yield make_conninfo(library.project.database, user=role)
    library.project.query(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("command", ["plan", "verify"])
def test_a_role_that_may_only_read_is_enough(library: Library, reader: str, command: str) -> None:
    reading = Library(replace(library.project, database=reader), library.scratch_url)

    reading.foresee(command)


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("command", ["check", "plan", "verify"])
def test_the_target_is_never_changed(
    library: Library, embedded_server: EmbeddedServer, command: str
) -> None:
    library.project.succeed("up", "1")
    library.project.query('INSERT INTO "Books" VALUES (1)')
    before = contents(library.project, embedded_server)

    library.foresee(command)

    assert contents(library.project, embedded_server) == before


def contents(project: Project, server: EmbeddedServer) -> str:
    """All that `pg_dump` says of a database, rows included."""
    dump = subprocess.run(
        [server.bindir / "pg_dump", "--dbname", project.database],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = dump.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unre")))
