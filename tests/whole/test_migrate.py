"""The real `bin/migrate`, run as a user would run it, on a real database."""

from __future__ import annotations

import re
import shlex
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.migrations.arguments import parser
from tests.whole.projects import Project, wait_for
from tests.whole.servers import PASSWORD, Address, free_port, silent_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.trees import Tree

HELP = Path(__file__).with_name("help.txt")
SUBCOMMANDS = [
    *("status", "up", "down", "new", "plan"),
    *("check", "verify", "redo", "accept", "adopt", "seed"),
]

THREE = {
    "0001_a.up.sql": "CREATE TABLE a (id int);",
    "0001_a.down.sql": "DROP TABLE a;",
    "0002_b.up.sql": "CREATE TABLE b (id int);",
    "0002_b.down.sql": "DROP TABLE b;",
    "0003_c.up.sql": "CREATE TABLE c (id int);",
    "0003_c.down.sql": "DROP TABLE c;",
}


# --- up, down, redo


def test_up_applies_everything_and_names_what_it_works_on_first(project: Project) -> None:
    project.write(THREE)

    done = project.succeed("up")

    first, *lines = done.out.splitlines()
    assert first == (
        f'Working on database "{conninfo_to_dict(project.database)["dbname"]}"'
        f" on {conninfo_to_dict(project.database)['host']}"
    )
    assert [line.split()[:2] for line in lines[:3]] == [
        ["applied", "0001_a"],
        ["applied", "0002_b"],
        ["applied", "0003_c"],
    ]
    assert "3 migrations applied; the database is at 0003_c." in done.out
    assert project.applied == ["0001_a", "0002_b", "0003_c"]
    assert project.tables == ["a", "b", "c"]


def test_up_again_has_nothing_to_do(project: Project) -> None:
    project.write(THREE)
    project.succeed("up")

    assert "Nothing to apply: the database is at 0003_c." in project.succeed("up").out


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["up", "1"], ["0001_a"]),
        (["up", "2"], ["0001_a", "0002_b"]),
        (["up", "99"], ["0001_a", "0002_b", "0003_c"]),
        (["up", "--to", "0002"], ["0001_a", "0002_b"]),
        (["up", "--to", "2"], ["0001_a", "0002_b"]),
        (["up", "--to=0002_b"], ["0001_a", "0002_b"]),
    ],
)
def test_up_goes_as_far_as_it_is_told(
    project: Project, arguments: list[str], expected: list[str]
) -> None:
    project.write(THREE)

    project.succeed(*arguments)

    assert project.applied == expected


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["down"], ["0001_a", "0002_b"]),
        (["down", "2"], ["0001_a"]),
        (["down", "99"], []),
        (["down", "--to", "0001"], ["0001_a"]),
        (["down", "--to", "0003"], ["0001_a", "0002_b", "0003_c"]),
        (["down", "--all"], []),
    ],
)
def test_down_goes_as_far_as_it_is_told(
    project: Project, arguments: list[str], expected: list[str]
) -> None:
    project.write(THREE)
    project.succeed("up")

    project.succeed(*arguments)

    assert project.applied == expected
    assert project.tables == [name[-1] for name in expected]


def test_an_empty_down_file_is_said_to_take_nothing_back(project: Project) -> None:
    project.write({**THREE, "0003_c.down.sql": ""})
    project.succeed("up")

    done = project.succeed("down")

    assert "0003_c.down.sql is empty: nothing is taken back but the record" in done.out
    assert project.applied == ["0001_a", "0002_b"]
    assert project.tables == ["a", "b", "c"]


def test_down_with_nothing_applied_has_nothing_to_do(project: Project) -> None:
    project.write(THREE)

    done = project.succeed("down", "--all")

    assert "Nothing to revert: the database has no migrations applied." in done.out
    assert project.query("SELECT to_regclass('schema_migrations')") == [(None,)]


@pytest.mark.few(2)
@pytest.mark.parametrize("command", ["up", "down"])
@pytest.mark.parametrize("version", ["0009", "nonsense", "0002_c", ""])
def test_a_version_that_is_not_there_is_an_error(
    project: Project, command: str, version: str
) -> None:
    project.write(THREE)
    project.succeed("up", "1")

    failed = project.fail(command, "--to", version)

    assert failed.lines == [
        f'there is no migration "{version}"; those there are: from 0001_a to 0003_c'
    ]
    assert project.applied == ["0001_a"]


def test_redo_reverts_the_last_one_and_applies_it_again(project: Project) -> None:
    project.write(THREE)
    project.succeed("up", "2")
    project.query("INSERT INTO a VALUES (1)")
    project.query("INSERT INTO b VALUES (1)")

    done = project.succeed("redo")

    assert [line.split()[:2] for line in done.out.splitlines()[-3:-1]] == [
        ["reverted", "0002_b"],
        ["applied", "0002_b"],
    ]
    assert project.applied == ["0001_a", "0002_b"]
    assert project.query("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == [(1, 0)]


@pytest.mark.slow
def test_a_migration_without_a_down_script_stops_down_before_anything_is_reverted(
    project: Project,
) -> None:
    project.write(THREE)
    (project.folder / "0002_b.down.sql").unlink()
    project.succeed("up")

    failed = project.fail("down", "--all")

    assert failed.lines == [
        "0002_b: no down script, so it cannot be reverted. The database is at 0003_c."
    ]
    assert project.applied == ["0001_a", "0002_b", "0003_c"]


def test_a_migration_whose_files_are_gone_is_reverted_by_what_the_ledger_kept(
    project: Project,
) -> None:
    project.write(THREE)
    project.succeed("up")
    for file in project.folder.glob("0003_*"):
        file.unlink()

    done = project.migrate("down")

    assert done.code == 0
    assert project.tables == ["a", "b"]


def test_a_file_wrapped_in_begin_and_commit_is_one_transaction_with_its_record(
    project: Project,
) -> None:
    project.write({"1_a.up.sql": "BEGIN;\nCREATE TABLE a ();\nSELECT 1/0;\nCOMMIT;"})

    failed = project.fail("up")

    assert "1_a.up.sql:3:1: division by zero" in failed.err
    assert (project.tables, project.applied) == ([], [])


def test_a_file_of_comments_alone_is_applied(project: Project) -> None:
    project.write({"1_a.up.sql": "-- Not needed any more.\n", "1_a.down.sql": "--"})

    project.succeed("up")
    project.succeed("redo")

    assert project.applied == ["1_a"]


def test_a_last_line_that_is_a_comment_does_not_swallow_the_record(project: Project) -> None:
    project.write({"1_a.up.sql": "CREATE TABLE a () -- the end", "1_a.down.sql": "DROP TABLE a--"})

    project.succeed("up")
    assert project.applied == ["1_a"]
    project.succeed("down")
    assert (project.tables, project.applied) == ([], [])


def test_percent_signs_and_colons_mean_themselves(project: Project) -> None:
    project.write({"1_a.up.sql": "CREATE TABLE a AS SELECT '100% %s :x %(y)s ${z}'::text AS t;"})

    project.succeed("up")

    assert project.query("SELECT t FROM a") == [("100% %s :x %(y)s ${z}",)]


# --- status


def test_status_shows_every_migration(project: Project) -> None:
    project.write(THREE)
    project.succeed("up", "1")

    header, first, *rest = project.succeed("status").out.splitlines()

    assert header.split() == ["migration", "applied", "took"]
    assert first.split()[0] == "0001_a"
    assert "UTC" in first
    assert first.endswith(" ms")
    assert [line.split() for line in rest[:2]] == [["0002_b", "pending"], ["0003_c", "pending"]]
    assert rest[-1].endswith("1 applied, 2 pending: bin/migrate up")


def test_status_changes_nothing(project: Project) -> None:
    project.write(THREE)

    project.succeed("status")

    assert project.query("SELECT count(*) FROM pg_class WHERE relnamespace = 2200") == [(0,)]


# --- new


def test_new_writes_a_pair_that_can_be_applied_and_reverted(project: Project) -> None:
    types = "string text integer bigint float double decimal boolean date dateonly uuid json jsonb"
    columns = [f"c{number}:{name}" for number, name in enumerate(types.split())]

    made = project.succeed("new", "create_publishers", *columns, "city:text!")

    assert made.out.splitlines() == [
        "0001_create_publishers.up.sql",
        "0001_create_publishers.down.sql",
    ]
    project.succeed("up")
    assert project.query(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_name = 'Publishers' ORDER BY ordinal_position"
    ) == [
        ("id", "integer", "NO"),
        ("c0", "character varying", "YES"),
        ("c1", "text", "YES"),
        ("c2", "integer", "YES"),
        ("c3", "bigint", "YES"),
        ("c4", "double precision", "YES"),
        ("c5", "double precision", "YES"),
        ("c6", "numeric", "YES"),
        ("c7", "boolean", "YES"),
        ("c8", "timestamp with time zone", "YES"),
        ("c9", "date", "YES"),
        ("c10", "uuid", "YES"),
        ("c11", "json", "YES"),
        ("c12", "jsonb", "YES"),
        ("city", "text", "NO"),
        ("createdAt", "timestamp with time zone", "NO"),
        ("updatedAt", "timestamp with time zone", "NO"),
    ]
    project.succeed("down")
    assert project.tables == []


def test_new_needs_no_database(project: Project) -> None:
    made = project.succeed("new", "add_city", env={"DATABASE_URL": "postgresql://x.invalid/db"})

    assert made.out.splitlines() == ["0001_add_city.up.sql", "0001_add_city.down.sql"]


def test_an_unknown_type_is_one_line_and_no_file(project: Project) -> None:
    failed = project.fail("new", "create_publishers", "name:strnig")

    assert len(failed.lines) == 1
    assert '"name:strnig" has an unknown type; the types are string, text' in failed.err
    assert list(project.folder.iterdir()) == []


# --- seed


def test_seed_fills_the_tables_once(tree: Tree, catalog_database: str, tmp_path: Path) -> None:
    project = Project(tree, catalog_database, tmp_path)

    assert "11 rows changed" in project.succeed("seed").out
    assert "nothing to add" in project.succeed("seed").out
    assert project.query('SELECT array_agg(id ORDER BY id) FROM "Books"') == [(list(range(1, 9)),)]


def test_seed_runs_any_file_as_one_transaction(project: Project) -> None:
    project.write(
        {
            "data.sql": "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\n\n"
            "INSERT INTO a VALUES ('x');"
        }
    )

    failed = project.fail("seed", "data.sql")

    assert failed.err.startswith('data.sql:4:23: invalid input syntax for type integer: "x"')
    assert project.tables == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "data.sql: cannot be read: no such file or directory; name another file"),
        ("\\i other.sql", "data.sql:1:1: has a psql command, which only psql knows"),
        ("SELECT 1; COMMIT; SELECT 2;", "data.sql:1:11: has its own COMMIT"),
    ],
)
def test_seed_refuses_what_it_cannot_run(project: Project, content: str | None, said: str) -> None:
    if content:
        project.write({"data.sql": content})

    failed = project.fail("seed", "data.sql")

    assert (len(failed.lines), failed.err.startswith(said)) == (1, True), failed.err


# --- Options and usage


@pytest.mark.slow
def test_options_stand_before_or_after_the_subcommand(project: Project, tmp_path: Path) -> None:
    project.write(THREE)
    options = ["--dir", str(tmp_path), "--database-url", project.database, "--wait", "1"]

    before = project.tree.run("migrate", *options, "status")
    after = project.tree.run("migrate", "status", *options)
    mixed = project.tree.run("migrate", *options[:2], "status", *options[2:])

    assert before == after == mixed
    assert "3 pending" in before.out


def test_the_command_line_goes_before_the_environment(project: Project) -> None:
    project.write(THREE)

    done = project.succeed(
        "up", "--database-url", project.database, env={"DATABASE_URL": "postgresql://x.invalid/db"}
    )

    assert "3 migrations applied" in done.out


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sideways"],
        ["up", "0"],
        ["up", "-1"],
        ["up", "x"],
        ["up", "1", "--to", "0002"],
        ["up", "--all"],
        ["down", "0"],
        ["down", "--all", "--to", "0002"],
        ["down", "--all", "2"],
        ["redo", "2"],
        ["status", "--to", "1"],
        ["new"],
        ["up", "--to"],
        ["up", "--wait", "soon"],
        ["up", "--wait", "-1"],
        ["up", "--wait", "nan"],
        ["up", "--databas", "x"],
        ["--unknown", "up"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_apart_from_failure(project: Project, arguments: list[str]) -> None:
    project.write(THREE)

    refused = project.migrate(*arguments)

    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("usage: bin/migrate")
    assert project.applied == []


def test_the_help_is_as_it_is_kept_in_help_txt(tree: Tree) -> None:
    shown = tree.run("migrate", "--help", env={"COLUMNS": "80"})

    assert (shown.code, shown.err) == (0, "")
    assert shown.out == HELP.read_text()
    assert tree.run("migrate", "-h", env={"COLUMNS": "80"}) == shown


def test_the_help_fits_a_screen_and_begins_with_what_is_used_first() -> None:
    lines = HELP.read_text().splitlines()

    assert max(map(len, lines)) < 80
    assert len(lines) <= 23  # and the prompt
    first = lines[lines.index("first of all:") + 1 :][:5]
    assert [line.split()[0] for line in first] == ["status", "up", "down", "new", "plan"]
    shown = {line.split()[0] for line in lines if re.match(r"  [a-z]", line)}
    assert shown == set(SUBCOMMANDS)


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_subcommand_has_its_help_with_examples_that_work(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args([command, "--help"])

    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: bin/migrate {command}")
    assert "--database-url URL" in shown
    assert max(map(len, shown.splitlines())) <= 80
    examples = re.findall(r"^  bin/migrate (.*?)(?: {2,}.*)?$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        assert parser().parse_args(shlex.split(example)).command == command


def test_whoever_reads_the_output_may_stop_reading(project: Project) -> None:
    project.write(THREE)

    process = project.start("status")
    assert process.stdout
    assert process.stderr
    process.stdout.close()

    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(30) in (0, 1)


# --- Files that are not in order


def test_every_problem_of_the_files_is_told_before_the_database_is_touched(
    project: Project,
) -> None:
    project.write(
        {
            "1_a.up.sql": "CREATE TABLE a ();\nCOMMIT;",
            "1_b.up.sql": "SELECT 1;",
            "two.sql": "SELECT 1;",
            "3_c.up.sql": b"\xff",
        }
    )

    failed = project.fail("up", env={"DATABASE_URL": "postgresql://x.invalid/db"})

    assert (len(failed.lines), failed.out) == (4, "")
    assert "1_a.up.sql:2:1: has its own COMMIT;" in failed.err


def test_a_folder_that_is_not_there_is_one_line(project: Project) -> None:
    failed = project.fail("--dir", "nowhere", "up")

    assert failed.lines == [
        "nowhere: cannot be read: no such file or directory; name another with --dir"
    ]


# --- Migrations that fail


def failing(project: Project, sql: str) -> list[str]:
    """The lines that a failing second migration is told in; nothing of it may remain."""
    project.write({"0001_a.up.sql": "CREATE TABLE a (id int);", "0002_b.up.sql": sql})
    failed = project.fail("up")
    assert project.applied == ["0001_a"]
    assert project.tables == ["a"]
    assert "It was rolled back: nothing of it remains." in failed.err
    assert "the database is at 0001_a." in failed.err.lower()
    assert "applied   0001_a" in failed.out
    assert "applied   0002_b" not in failed.out
    return failed.lines


def test_a_syntax_error_is_shown_in_its_place(project: Project) -> None:
    lines = failing(project, "-- why\nCREATE TABLE b ();\n\n\tCREATE TABEL c ();\n")

    assert lines[:4] == [
        '0002_b.up.sql:4:9: syntax error at or near "TABEL"',
        "",
        "    \tCREATE TABEL c ();",
        "    \t       ^",
    ]
    assert "SQLSTATE 42601" in lines


def test_characters_of_several_bytes_do_not_move_the_place(project: Project) -> None:
    lines = failing(project, "SELECT 'größe 日本 \U0001f600';\nSELECT '日本', nix FROM a;")

    assert lines[:4] == [
        '0002_b.up.sql:2:14: column "nix" does not exist',
        "",
        "    SELECT '日本', nix FROM a;",
        "                   ^",
    ]


def test_the_hint_of_postgres_is_shown(project: Project) -> None:
    lines = failing(project, "SELECT idd FROM a;")

    assert 'hint: Perhaps you meant to reference the column "a.id".' in lines


def test_an_error_without_a_place_is_shown_at_its_statement(project: Project) -> None:
    lines = failing(project, "CREATE TABLE b ();\n  /* x */ SELECT 1 /\n 0;\nSELECT 2;")

    assert lines[:4] == [
        "0002_b.up.sql:2:11: division by zero",
        "",
        "      /* x */ SELECT 1 /",
        "              ^",
    ]


def test_a_broken_constraint_shows_the_row(project: Project) -> None:
    lines = failing(
        project,
        "CREATE TABLE b (id int PRIMARY KEY);\nINSERT INTO b VALUES (1);\n"
        "INSERT INTO b VALUES (1);",
    )

    assert lines[0].startswith("0002_b.up.sql:3:1: duplicate key value violates unique constraint")
    assert "detail: Key (id)=(1) already exists." in lines
    assert "SQLSTATE 23505" in lines


def test_a_constraint_that_is_checked_at_the_end_is_no_success(project: Project) -> None:
    lines = failing(
        project,
        "CREATE TABLE b (id int PRIMARY KEY,"
        " other int REFERENCES b DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO b VALUES (1, 2);",
    )

    assert "violates foreign key constraint" in lines[0]


def test_an_error_inside_a_do_block_shows_where_it_happened(project: Project) -> None:
    lines = failing(project, "SELECT 1;\nDO $$\nBEGIN\n  PERFORM 1 / 0;\nEND $$;")

    # The place is the block, or where in the block it happened.
    assert lines[0] in (
        "0002_b.up.sql:2:1: division by zero",
        "0002_b.up.sql:4:3: division by zero",
    )
    assert any("inline_code_block line 3 at PERFORM" in line for line in lines)


def test_a_statement_that_refuses_transactions_says_so(project: Project) -> None:
    lines = failing(project, "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (id);")

    assert lines[0].startswith("0002_b.up.sql:2:1: CREATE INDEX CONCURRENTLY cannot")


def test_a_script_that_raises_is_told_in_its_own_words(project: Project) -> None:
    lines = failing(
        project,
        "DO $$ BEGIN RAISE EXCEPTION 'rows break it' USING HINT = 'find them: SELECT 1'; END $$;",
    )

    assert lines[0].startswith("0002_b.up.sql:1:")
    assert lines[0].endswith(": rows break it")
    assert "hint: find them: SELECT 1" in lines


def test_a_script_that_ends_its_own_connection_is_no_success(project: Project) -> None:
    project.write(
        {"0001_a.up.sql": "CREATE TABLE a ();\nSELECT pg_terminate_backend(pg_backend_pid());"}
    )

    failed = project.fail("up", "--wait", "3")

    assert "terminating connection" in failed.err
    assert (project.tables, project.applied) == ([], [])


def test_a_failing_down_script_keeps_its_migration_applied(project: Project) -> None:
    project.write({**THREE, "0002_b.down.sql": "DROP TABLE b;\nDROP TABLE nix;"})
    project.succeed("up")

    failed = project.fail("down", "--all")

    assert '0002_b.down.sql:2:1: table "nix" does not exist' in failed.err
    assert project.applied == ["0001_a", "0002_b"]
    assert project.tables == ["a", "b"]


# --- Without a transaction


def test_a_file_may_run_without_a_transaction(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_b.up.sql": "-- migrate: no-transaction\n"
            "CREATE INDEX CONCURRENTLY a_id ON a (id);\nVACUUM a;",
            "0002_b.down.sql": "-- migrate: no-transaction\nDROP INDEX CONCURRENTLY a_id;",
        }
    )

    project.succeed("up")
    assert project.query("SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass") == [
        (True,)
    ]
    project.succeed("down")
    assert project.applied == ["0001_a"]


def test_a_failure_without_a_transaction_tells_what_remains(project: Project) -> None:
    project.write(
        {"0001_a.up.sql": "-- migrate: no-transaction\nCREATE TABLE a ();\nCREATE TABEL b ();"}
    )

    failed = project.fail("up")

    assert failed.err.startswith('0001_a.up.sql:3:8: syntax error at or near "TABEL"')
    assert "1 statement" in failed.err
    assert (project.tables, project.applied) == (["a"], [])


# --- What a script sets reaches nobody else


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """A role that may do nothing."""
    name = f"r_{conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name}".encode())
    yield name
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}".encode())


SETTINGS = [
    "SET search_path = ''",
    "SET search_path = nowhere",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SET ROLE {role}",
    "SET SESSION AUTHORIZATION {role}",
    "SET standard_conforming_strings = off",
    "SET default_transaction_read_only = on",
    "SET statement_timeout = 1",
    "SET client_encoding = 'latin1'",
    "SET DateStyle = 'German'; SET IntervalStyle = 'postgres_verbose'",
    "SET check_function_bodies = off; SET row_security = off; SET client_min_messages = error",
]


@pytest.mark.few(4)
@pytest.mark.parametrize("setting", SETTINGS)
def test_what_a_script_sets_does_not_reach_the_ledger_or_the_next_script(
    project: Project, role: str, setting: str
) -> None:
    project.write(
        {
            "0001_a.up.sql": f"CREATE TABLE a (id int);\n{setting.format(role=role)};",
            "0002_b.up.sql": r"CREATE TABLE b AS SELECT '\' AS t, current_user AS u, 'é' AS e;",
        }
    )

    project.succeed("up")

    assert project.applied == ["0001_a", "0002_b"]
    assert project.query("SELECT t, u, e FROM public.b") == [("\\", "postgres", "é")]
    assert "2 applied" in project.succeed("status").out


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "setting",
    [each for each in SETTINGS if not re.search("ROLE|AUTHORIZATION|read_only", each)],
)
def test_the_same_holds_without_a_transaction(project: Project, role: str, setting: str) -> None:
    project.write(
        {
            "0001_a.up.sql": "-- migrate: no-transaction\nCREATE TABLE a ();\n"
            f"{setting.format(role=role)};",
            "0002_b.up.sql": r"CREATE TABLE b AS SELECT '\' AS t, current_user AS u, 'é' AS e;",
        }
    )

    project.succeed("up")

    assert project.applied == ["0001_a", "0002_b"]
    assert project.query("SELECT t, u, e FROM public.b") == [("\\", "postgres", "é")]


def test_the_ledger_lies_where_the_urls_search_path_says(project: Project) -> None:
    project.write(THREE)
    project.query("CREATE SCHEMA s")
    env = {"DATABASE_URL": make_conninfo(project.database, options="-c search_path=s")}

    project.succeed("up", env=env)

    assert project.query("SELECT to_regclass('s.schema_migrations')::text, 's.a'::regclass::text")
    assert project.tables == []
    assert "3 applied" in project.succeed("status", env=env).out


# --- Several at once


def test_several_runners_at_once_apply_everything_once(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_b.up.sql": "INSERT INTO a VALUES (1); SELECT pg_sleep(0.3);",
            "0003_c.up.sql": "INSERT INTO a VALUES (2);",
        }
    )

    processes = [project.start("up") for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert "".join(err for _, err in outputs) == ""
    assert project.query("SELECT id FROM a ORDER BY id") == [(1,), (2,)]
    assert project.applied == ["0001_a", "0002_b", "0003_c"]


def test_a_runner_that_waits_in_vain_says_for_whom(project: Project) -> None:
    project.write({"0001_a.up.sql": "SELECT pg_sleep(5);"})
    first = project.start("up")
    wait_for(
        project,
        "SELECT 1 FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()",
    )

    failed = project.fail("up", "--wait", "0.5")

    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    assert "another runner is at work: process " in failed.err
    assert "--wait" in failed.err


def test_a_division_by_zero_at_the_commit_is_the_scripts_own(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": """
                CREATE TABLE a (id int);
                CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN PERFORM 1 / 0; RETURN NULL; END';
                CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION f();
                INSERT INTO a VALUES (1);
            """
        }
    )

    failed = project.fail("up")

    assert "division by zero" in failed.err
    assert "SQLSTATE 22012" in failed.err
    assert project.tables == []


# --- Interruptions


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_migration_leaves_nothing_behind(
    project: Project, number: signal.Signals, code: int
) -> None:
    project.write({"0001_a.up.sql": "CREATE TABLE a ();\nSELECT pg_sleep(60);"})
    process = project.start("up")
    sleeping = "wait_event = 'PgSleep' AND datname = current_database()"
    wait_for(project, f"SELECT 1 FROM pg_stat_activity WHERE {sleeping}")

    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == code
    assert said.startswith("interrupted in 0001_a.up.sql")
    assert "nothing of it remains" in said
    assert "Traceback" not in said
    assert (project.tables, project.applied) == ([], [])


# --- Databases that cannot be used: one line at once, and never the password


@pytest.fixture
def ready(project: Project) -> Project:
    project.write(THREE)
    return project


COMMANDS = ["up", "status"]


def refused(project: Project, command: str, url: str, *arguments: str) -> str:
    """The one line that a command fails with."""
    began = time.monotonic()
    failed = project.fail(command, *arguments, env={"DATABASE_URL": url})
    assert time.monotonic() - began < 10
    assert len(failed.lines) == 1, failed.err
    for secret in (PASSWORD, "S3cr3t"):
        assert secret not in failed.err + failed.out
    return failed.err.strip()


@pytest.mark.few(2)
@pytest.mark.parametrize("command", ["up", "down", "redo", "status", "seed"])
def test_a_malformed_url_is_one_line(ready: Project, command: str) -> None:
    assert refused(ready, command, "postgresql://u:S3cr3t@x@h/db") == (
        "DATABASE_URL in the environment is not a connection string that Postgres understands;"
        " write it as postgresql://user:password@host/database,"
        " with special characters in the password percent-encoded"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_host_is_one_line(ready: Project, command: str) -> None:
    said = refused(ready, command, "postgresql://u:S3cr3t@nowhere.invalid/db")

    assert said.startswith('cannot connect to database "db" on nowhere.invalid: ')
    assert said.endswith("; check the host in DATABASE_URL in the environment")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_password_is_one_line(ready: Project, guarded: Address, command: str) -> None:
    said = refused(ready, command, guarded.but(password="S3cr3t-wrong").url)

    assert 'password authentication failed for user "owner"' in said
    assert "; check the user and password in DATABASE_URL" in said


def test_no_password_at_all_is_one_line(ready: Project, guarded: Address) -> None:
    said = refused(ready, "up", f"postgresql://owner@127.0.0.1:{guarded.port}/catalog")

    assert "no password supplied; check the user and password in DATABASE_URL" in said


@pytest.mark.slow
def test_an_unknown_user_of_a_server_with_passwords_is_one_line(
    ready: Project, guarded: Address
) -> None:
    said = refused(ready, "up", guarded.but(user="nobody-known").url)

    assert 'password authentication failed for user "nobody-known"' in said


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_database_is_one_line(ready: Project, guarded: Address, command: str) -> None:
    said = refused(ready, command, guarded.but(dbname="nowhere").url)

    assert 'database "nowhere" does not exist; check the name at the end of DATABASE_URL' in said
    assert "CREATE DATABASE" in said


def test_a_missing_role_is_one_line(ready: Project) -> None:
    said = refused(ready, "up", make_conninfo(ready.database, user="nobody-known"))

    assert 'role "nobody-known" does not exist; check the user in DATABASE_URL' in said


def test_tls_where_the_server_has_none_is_one_line(ready: Project, guarded: Address) -> None:
    said = refused(ready, "up", guarded.but(options="sslmode=require").url)

    assert "server does not support SSL" in said
    assert "check sslmode in DATABASE_URL" in said


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "options",
    [
        "sslmode=maybe",
        "channel_binding=perhaps",
        "target_session_attrs=x",
        "sslrootcert=/nowhere&sslmode=verify-full",
    ],
)
def test_a_parameter_that_makes_no_sense_is_one_line(
    ready: Project, guarded: Address, options: str
) -> None:
    assert "DATABASE_URL" in refused(ready, "up", guarded.but(options=options).url)


@pytest.mark.few(1)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_port_that_refuses_is_waited_for_and_then_one_line(ready: Project, command: str) -> None:
    began = time.monotonic()

    said = refused(
        ready, command, f"postgresql://u:S3cr3t@127.0.0.1:{free_port()}/db", "--wait", "1"
    )

    assert 1 <= time.monotonic() - began < 5
    assert "Connection refused" in said
    assert "(waited 1 s); start it, check the host and port in DATABASE_URL" in said


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_port_that_is_silent_is_waited_for_and_then_one_line(
    ready: Project, command: str
) -> None:
    with silent_port() as port:
        said = refused(ready, command, f"postgresql://u:S3cr3t@127.0.0.1:{port}/db", "--wait", "1")

    assert "timeout expired" in said
    assert "(waited 1 s)" in said


def test_a_socket_that_is_not_there_is_waited_for_and_then_one_line(ready: Project) -> None:
    said = refused(ready, "up", "postgresql:///db?host=/nowhere", "--wait", "0")

    assert "No such file or directory" in said


def test_a_database_that_comes_back_is_waited_for(ready: Project, database: str) -> None:
    name = conninfo_to_dict(database)["dbname"]
    maintenance = make_conninfo(database, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0'.encode())
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
        connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1'.encode())

    assert "3 migrations applied" in ready.succeed("up").out


def test_a_table_that_another_tool_made_is_left_alone(ready: Project) -> None:
    ready.query("CREATE TABLE schema_migrations (version text)")

    failed = ready.fail("up")

    assert "was not made by this runner (its columns are version text)" in failed.err
    assert ready.query("SELECT count(*) FROM schema_migrations") == [(0,)]


def test_a_database_that_is_read_only_is_one_line(ready: Project) -> None:
    url = make_conninfo(ready.database, options="-c default_transaction_read_only=on")

    said = refused(ready, "up", url)

    assert "read-only transaction" in said


# --- Without DATABASE_URL


def test_the_whole_path_on_the_embedded_server(own_tree: Tree) -> None:
    def migrate(*arguments: str) -> str:
        done = own_tree.run("migrate", *arguments)
        assert (done.code, done.err) == (0, ""), done
        return done.out

    files = sorted((own_tree.path / "sql/migrations").glob("*.up.sql"))

    assert "Working on the embedded Postgres (data in " in migrate("up")
    assert "11 rows changed" in migrate("seed")
    assert f"{len(files)} applied, nothing is pending" in migrate("status")
    assert f"{len(files)} migrations reverted" in migrate("down", "--all")
    assert f"{len(files)} migrations applied" in migrate("up")


def test_the_neon_pooler_is_left_for_the_direct_host_and_that_is_said(ready: Project) -> None:
    failed = ready.fail(
        "up",
        env={"DATABASE_URL": "postgresql://u:S3cr3t@ep-x-123-pooler.nowhere.neon.tech/db"},
    )

    note, error = failed.lines
    assert note == (
        "DATABASE_URL in the environment names the pooler ep-x-123-pooler.nowhere.neon.tech;"
        " using the direct host instead"
    )
    assert 'cannot connect to database "db" on ep-x-123.nowhere.neon.tech' in error
