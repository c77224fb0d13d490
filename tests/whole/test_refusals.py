"""What `bin/migrate` refuses, before anything runs, and how it says what to do instead."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.whole.projects import Project

slow = pytest.mark.slow

NOWHERE = {"DATABASE_URL": "postgresql://nobody@nowhere.invalid/db"}
"""Whatever touches this database fails with another message."""

THREE = {
    "0001_a.up.sql": "CREATE TABLE a (id int);",
    "0001_a.down.sql": "DROP TABLE a;",
    "0002_b.up.sql": "CREATE TABLE b (id int);",
    "0002_b.down.sql": "DROP TABLE b;",
    "0003_c.up.sql": "CREATE TABLE c (id int);",
    "0003_c.down.sql": "DROP TABLE c;",
}
COMMANDS = (["up"], ["down"], ["redo"], ["status"], ["up", "--dry-run"], ["accept", "1"])


# --- Line 4: what would tear a migration and its record apart

REFUSED = {
    # What the file holds, and the places that are named.
    "SELECT 1;\n  COMMIT;\n": ["2:3"],
    "/* é */ ROLLBACK;": ["1:9"],
    "SELECT 1;\nsavepoint a;": ["2:1"],
    "SELECT 1;\nRELEASE a;": ["2:1"],
    "SELECT 1;\nROLLBACK TO a;": ["2:1"],
    "SELECT 1; ABORT": ["1:11"],
    "SELECT 1;END;": ["1:10"],
    "SELECT 1;\nPREPARE TRANSACTION 'x';": ["2:1"],
    "SELECT 1;\nSTART TRANSACTION;\nSELECT 2;": ["2:1"],
    "BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 2;": ["1:1", "3:1"],
    "BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;": ["1:1", "3:1", "4:1", "6:1"],
    "BEGIN;\nSAVEPOINT a;\nCOMMIT;": ["1:1", "2:1", "3:1"],
    "BEGIN;\nSELECT 1;": ["1:1"],
    "BEGIN;\nSELECT 1;\nROLLBACK;": ["1:1", "3:1"],
    "BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;": ["1:1", "3:1"],
    "-- migrate: no-transaction\nBEGIN;\nSELECT 1;\nCOMMIT;": ["2:1", "4:1"],
    "SELECT 1;\nCOPY a (id) FROM STDIN;\n": ["2:1"],
    "copy a from stdin with (format csv);": ["1:1"],
    "SELECT 1;\n\\i other.sql\n": ["2:1"],
    "SELECT 1 \\gset": ["1:10"],
    "SELECT 'x';\n\\connect db\n": ["2:1"],
}


def test_what_has_no_place_in_a_transaction_is_refused_with_every_place_at_once(
    project: Project,
) -> None:
    project.write({f"{n:04}_x.up.sql": text for n, text in enumerate(REFUSED, start=1)})

    failed = project.fail("up", env=NOWHERE)

    assert [line.partition(": ")[0] for line in sorted(failed.lines)] == sorted(
        f"{number:04}_x.up.sql:{place}"
        for number, places in enumerate(REFUSED.values(), start=1)
        for place in places
    )
    assert failed.out == ""


def test_a_down_script_is_looked_at_before_the_up_script_runs(project: Project) -> None:
    project.write({"1_a.up.sql": "CREATE TABLE a ();", "1_a.down.sql": "DROP TABLE a; COMMIT;"})

    failed = project.fail("up", env=NOWHERE)

    assert failed.err.startswith("1_a.down.sql:1:15: has its own COMMIT; ")


ALLOWED = r"""
-- COMMIT; \i x
/* ROLLBACK; /* \connect */ SAVEPOINT a; */
CREATE TABLE said (what text);
INSERT INTO said VALUES ('COMMIT; \i x'), (E'it\'s; BEGIN;'), ($$ROLLBACK;$$), ($x$ $$; END; $x$);
CREATE TABLE "COMMIT; \x" ("BEGIN" int, "stdin" int);
CREATE FUNCTION one() RETURNS int BEGIN ATOMIC
    SELECT CASE WHEN true THEN 1 END;
    SELECT 2;
END;
CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
    BEGIN
        RETURN 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        RETURN 2;
    END;
END;
$body$;
CREATE PROCEDURE three() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
DO $$ BEGIN PERFORM 1; END; $$;
COPY (SELECT 1) TO '/dev/null';
"""


def test_the_same_words_are_fine_where_they_mean_something_else(project: Project) -> None:
    project.write({"1_a.up.sql": ALLOWED})

    project.succeed("up")

    assert project.query("SELECT one(), two()") == [(2, 2)]
    assert project.query('SELECT what FROM said ORDER BY what COLLATE "C"') == [
        (" $$; END; ",),
        ("COMMIT; \\i x",),
        ("ROLLBACK;",),
        ("it's; BEGIN;",),
    ]


@pytest.mark.parametrize(
    ("begin", "commit"),
    [
        ("BEGIN;", "COMMIT;"),
        ("-- Why.\n/* ; */ begin work ;", "commit work; -- the end"),
        pytest.param("START TRANSACTION;", "END", marks=slow),
        pytest.param("BEGIN TRANSACTION;", "END TRANSACTION;", marks=slow),
    ],
)
def test_a_file_wrapped_in_a_transaction_runs_in_ours(
    project: Project, begin: str, commit: str
) -> None:
    project.write({"1_a.up.sql": f"{begin}\nCREATE TABLE a ();\n{commit}\n"})

    done = project.succeed("up")

    assert "warning" not in done.out
    assert (project.tables, project.applied) == (["a"], ["1_a"])


def test_a_wrapped_file_fails_as_a_whole_and_at_its_own_line(project: Project) -> None:
    project.write(
        {
            "1_a.up.sql": "BEGIN;\nCREATE TABLE a ();\nSELECT 'é', nope;\nCOMMIT;\n",
        }
    )

    failed = project.fail("up")

    assert failed.err.startswith('1_a.up.sql:3:13: column "nope" does not exist')
    assert (project.tables, project.applied) == ([], [])


# --- Line 13: files


def test_every_bad_file_is_one_line_before_the_database_is_touched(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "SELECT 1;",
            "0001_b.up.sql": "SELECT 1;",
            "001_c.up.sql": "SELECT 1;",
            "0002_no_up.down.sql": "SELECT 1;",
            "0003_x.sql": "SELECT 1;",
            "0004.up.sql": "SELECT 1;",
            "0005_a b.up.sql": "SELECT 1;",
            "0006_x.UP.sql": "SELECT 1;",
            "x.up.sql": "SELECT 1;",
            "0007_empty.up.sql": "",
            "0008_blank.up.sql": " \n\t\n",
            "0009_bom_alone.up.sql": b"\xef\xbb\xbf",
            "0010_latin1.up.sql": b"SELECT 1;\nSELECT '\xe9';\n",
            "0011_utf16.up.sql": "SELECT 1;".encode("utf-16"),
            "0012_nul.up.sql": b"SELECT 1;\0",
            "0013_quote.up.sql": "SELECT 1;\nSELECT 'x;\n",
            "0014_dollar.up.sql": "SELECT $x$ a;\n$x",
            "0015_comment.up.sql": "SELECT 1; /* x",
            "0016_directive.up.sql": "-- migrate: no-transction\nSELECT 1;",
            "0017_timeout.up.sql": "-- migrate: lock_timeout=2\nSELECT 1;",
            "0018_fine-one.2.up.sql": "-- nothing to do",
            "0019_größe.up.sql": "SELECT 1;",
            "notes.txt": "SELECT 1;",
            "0020_x.up.sql~": "SELECT 1;",
        }
    )
    (project.folder / "0021_folder.up.sql").mkdir()
    (project.folder / "0022_link.up.sql").symlink_to("nowhere")
    os.mkfifo(project.folder / "0023_pipe.up.sql")

    failed = project.fail("up", env=NOWHERE)

    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in failed.lines}
    assert len(said) == len(failed.lines)
    assert {place: problem.partition(";")[0] for place, problem in said.items()} == {
        "0001_b.up.sql": "has the number of 0001_a.up.sql",
        "001_c.up.sql": "has the number of 0001_a.up.sql",
        "0002_no_up.down.sql": "has no up file beside it",
        "0003_x.sql": "is not named like a migration",
        "0004.up.sql": "is not named like a migration",
        "0005_a b.up.sql": "is not named like a migration",
        "0006_x.UP.sql": "is not named like a migration",
        "x.up.sql": "is not named like a migration",
        "0007_empty.up.sql": "is empty",
        "0008_blank.up.sql": "is empty",
        "0009_bom_alone.up.sql": "is empty",
        "0010_latin1.up.sql": "cannot be read: line 2 is not UTF-8",
        "0011_utf16.up.sql": "cannot be read: line 1 is not UTF-8",
        "0012_nul.up.sql": "cannot be read: line 1 holds a NUL byte",
        "0013_quote.up.sql:2:8": "has a quote without an end",
        "0014_dollar.up.sql:1:8": "has a $x$ without an end",
        "0015_comment.up.sql:1:11": "has a comment without an end",
        "0016_directive.up.sql:1:13": 'has an unknown directive "no-transction"',
        "0017_timeout.up.sql:1:13": 'has an unknown directive "lock_timeout=2"',
        "0021_folder.up.sql": said["0021_folder.up.sql"].partition(";")[0],
        "0022_link.up.sql": "cannot be read: no such file or directory",
        "0023_pipe.up.sql": said["0023_pipe.up.sql"].partition(";")[0],
    }


@pytest.mark.parametrize(
    "command",
    [COMMANDS[0], *(pytest.param(each, marks=slow) for each in COMMANDS[1:])],
)
def test_every_command_looks_at_the_files_first(project: Project, command: list[str]) -> None:
    project.write({"0001_a.sql": "SELECT 1;"})

    failed = project.fail(*command, env=NOWHERE)

    assert failed.lines == [
        "0001_a.sql: is not named like a migration; NNNN_words.up.sql or .down.sql"
    ]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("nowhere", "nowhere: cannot be read: no such file or directory; name another with --dir"),
        ("empty", "empty: holds no migrations; make one: bin/migrate new NAME"),
        ("file", "file: cannot be read: not a directory; name another with --dir"),
    ],
)
def test_a_folder_without_migrations_is_one_line(project: Project, folder: str, said: str) -> None:
    (project.folder / "empty").mkdir()
    (project.folder / "empty/notes.txt").write_text("not SQL")
    project.write({"file": ""})

    assert project.fail("status", "--dir", folder, env=NOWHERE).lines == [said]


def test_bad_files_are_told_in_json_too(project: Project) -> None:
    project.write({"0001_a.up.sql": "SELECT 1;\n COMMIT;", "x.sql": ""})

    failed = project.fail("up", "--json", env=NOWHERE)

    error = json.loads(failed.out)["error"]
    assert error["kind"] == "FilesInvalid"
    assert error["message"].splitlines() == failed.lines
    assert (error["file"], error["line"], error["column"]) == ("0001_a.up.sql", 2, 2)


# --- Line 10: applied files stay as they are


@pytest.mark.slow
def test_comments_blanks_line_ends_and_a_byte_order_mark_do_not_count(project: Project) -> None:
    before = "-- Why.\nCREATE TABLE a (id int, t text DEFAULT 'x  y'); -- more\n\n"
    after = (
        "\ufeff/* Other\r\nwords. */\r\nCREATE TABLE\r\n\ta (id int,\r\n t text DEFAULT 'x  y');"
    )
    project.write({"1_a.up.sql": before})
    project.succeed("up")
    project.write({"1_a.up.sql": after})

    assert "Nothing to apply" in project.succeed("up").out
    assert project.succeed("status", "--check").out.count("changed since") == 0


@pytest.mark.parametrize(
    "edited",
    [
        "CREATE TABLE a (id int, t text DEFAULT 'x y');",
        "CREATE TABLE a (id int, t text DEFAULT 'x  y'); SELECT 1;",
        pytest.param("CREATE TABLE A (id int, t text DEFAULT 'x  y');", marks=slow),
        pytest.param("CREATE TABLE a (id int, t text DEFAULT U&'x  y');", marks=slow),
        pytest.param("-- Not needed any more.", marks=slow),
    ],
)
def test_an_edited_migration_is_shown_and_nothing_runs(project: Project, edited: str) -> None:
    project.write({**THREE, "0001_a.up.sql": "CREATE TABLE a (id int, t text DEFAULT 'x  y');\n"})
    project.succeed("up", "2")
    project.write({"0001_a.up.sql": edited})

    failed = project.fail("up")

    assert failed.err.startswith("0001_a.up.sql was changed after it was applied:\n")
    assert "\n    -CREATE TABLE a (id int, t text DEFAULT 'x  y');\n" in failed.err
    assert f"\n    +{edited}\n" in failed.err
    assert "bin/migrate accept 0001_a" in failed.err
    assert project.applied == ["0001_a", "0002_b"]


@pytest.mark.slow
def test_all_edited_migrations_stop_every_command(project: Project) -> None:
    project.write(THREE)
    project.succeed("up", "2")
    project.write({"0001_a.up.sql": "SELECT 1;", "0002_b.up.sql": "SELECT 2;"})

    for command in (["up"], ["down"], ["redo"], ["up", "--dry-run"], ["down", "--dry-run"]):
        failed = project.fail(*command)
        assert failed.err.count("was changed after it was applied") == 2

    assert project.migrate("status", "--check").out.count("changed since\n") == 2
    assert project.applied == ["0001_a", "0002_b"]


def test_an_edited_migration_can_be_accepted(project: Project) -> None:
    project.write(THREE)
    project.succeed("up", "2")
    project.write({"0001_a.up.sql": "CREATE TABLE a (id bigint);", "0002_b.up.sql": "SELECT 2;"})

    project.succeed("accept", "1")

    failed = project.fail("up")
    assert "0001_a" not in failed.err
    assert "0002_b.up.sql was changed" in failed.err
    project.succeed("accept", "0002_b")
    project.succeed("up")
    assert project.applied == ["0001_a", "0002_b", "0003_c"]


@pytest.mark.slow
def test_what_is_not_applied_cannot_be_accepted(project: Project) -> None:
    project.write(THREE)
    project.succeed("up", "1")

    for name in ("0002_b", "9", "a", "²", "", "9" * 5000):
        assert f'there is no migration "{name}"' in project.fail("accept", name).err


def test_a_down_script_may_be_mended(project: Project) -> None:
    project.write({**THREE, "0003_c.down.sql": "DROP TABLE mistyped;"})
    project.succeed("up")
    assert "0003_c.down.sql:1:1: " in project.fail("down").err
    project.write({"0003_c.down.sql": "DROP TABLE c;"})

    project.succeed("down")

    assert project.applied == ["0001_a", "0002_b"]


# --- Line 11: applied migrations whose files are not here


def remove(project: Project, pattern: str) -> None:
    for file in project.folder.glob(pattern):
        file.unlink()


def test_an_older_release_meets_a_newer_database(project: Project) -> None:
    project.write(THREE)
    project.succeed("up")
    remove(project, "0002_*")
    remove(project, "0003_*")

    done = project.migrate("up")

    assert done.code == 0
    assert "The database is newer than these files: 0002_b, 0003_c" in done.err
    assert project.applied == ["0001_a", "0002_b", "0003_c"]


@pytest.mark.slow
def test_an_applied_migration_between_others_without_a_file_is_a_warning(project: Project) -> None:
    project.write(THREE)
    project.succeed("up", "2")
    remove(project, "0001_*")

    done = project.migrate("up")

    assert (done.code, done.lines) == (0, ["Applied, but without a file here: 0001_a."])
    assert project.applied == ["0001_a", "0002_b", "0003_c"]
    assert "no file" in project.succeed("status").out


@pytest.mark.slow
def test_what_has_no_file_is_reverted_by_the_text_that_was_kept(project: Project) -> None:
    project.write(THREE)
    project.succeed("up")
    remove(project, "0002_*")
    remove(project, "0003_*")

    done = project.migrate("down", "--to", "1")

    assert done.code == 0
    assert "later release" not in done.err
    assert "drops table c" in done.out
    assert (project.tables, project.applied) == (["a"], ["0001_a"])


def test_an_error_in_a_kept_text_says_where_it_was_kept(project: Project) -> None:
    project.write({**THREE, "0003_c.down.sql": "SELECT 1;\nDROP TABLE mistyped;"})
    project.succeed("up")
    remove(project, "0003_*")

    failed = project.fail("down")

    assert failed.err.startswith("0003_c.down.sql (kept in the ledger):2:1: ")


# --- Line 12: two branches were merged


def late(project: Project) -> None:
    project.write({name: text for name, text in THREE.items() if not name.startswith("0002")})
    project.succeed("up")
    project.write(THREE)


def git(project: Project, *arguments: str) -> None:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_NOSYSTEM": "1"}
    others = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "HOME": "/nowhere"}
    subprocess.run(
        ["git", *arguments],
        cwd=project.folder,
        env={**os.environ, **identity, **others},
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("place", [".", "sql/my migrations"])
def test_a_late_migration_is_refused_and_the_git_mv_lines_help(
    project: Project, place: str
) -> None:
    late(project)
    folder = project.folder / place
    folder.mkdir(parents=True, exist_ok=True)
    for file in project.folder.glob("*.sql"):
        file.rename(folder / file.name)
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "both branches")

    failed = project.fail("up", "--dir", place)

    assert "\n  0002_b\n" in failed.err
    assert "bin/migrate up --out-of-order" in failed.err
    assert "Nothing was done. The database is at 0003_c." in failed.err
    moves = [line for line in failed.lines if line.startswith("  git mv ")]
    assert len(moves) == 2
    for move in moves:
        git(project, *shlex.split(move)[1:])
    project.succeed("up", "--dir", place)
    assert project.applied == ["0001_a", "0003_c", "0004_b"]
    project.succeed("down", "--dir", place)
    assert project.tables == ["a", "c"]


@pytest.mark.slow
def test_several_late_migrations_get_numbers_one_after_the_other(project: Project) -> None:
    late(project)
    project.write(
        {"0001.txt": "", "0004_d.up.sql": "SELECT 4;", "0000_z.up.sql": "CREATE TABLE z ();"}
    )

    failed = project.fail("up")

    assert [line.split()[2:] for line in failed.lines if "git mv" in line] == [
        ["0000_z.up.sql", "0005_z.up.sql"],
        ["0002_b.up.sql", "0006_b.up.sql"],
        ["0002_b.down.sql", "0006_b.down.sql"],
    ]


@pytest.mark.slow
def test_a_late_migration_goes_in_out_of_order_if_that_is_said(project: Project) -> None:
    late(project)

    project.succeed("up", "--out-of-order")

    assert project.applied == ["0001_a", "0003_c", "0002_b"]
    project.succeed("down")
    assert project.applied == ["0001_a", "0003_c"]
    project.succeed("up", "--out-of-order")
    project.succeed("down", "--to", "0001")
    assert project.applied == ["0001_a"]


def test_down_goes_by_the_order_of_application_and_not_by_number(project: Project) -> None:
    late(project)
    project.succeed("up", "--out-of-order")

    planned = project.succeed("down", "--all", "--dry-run").out.splitlines()

    assert planned[-3:] == ["  0002_b", "  0003_c", "  0001_a"]


@pytest.mark.slow
def test_what_is_late_is_told_by_status(project: Project) -> None:
    late(project)

    assert "older than what is applied" in project.succeed("status").out
    assert project.migrate("status", "--check").code == 1
    rows = json.loads(project.succeed("status", "--json").out)["migrations"]
    assert [(row["name"], row["state"]) for row in rows] == [
        ("0001_a", "applied"),
        ("0003_c", "applied"),
        ("0002_b", "late"),
    ]


# --- Line 14: where the ledger is

FOREIGN = {
    "golang-migrate": "version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL",
    "dbmate": "version varchar(128) PRIMARY KEY",
    "Rails": "version character varying NOT NULL PRIMARY KEY",
    "by hand": "id serial PRIMARY KEY, name text, applied_at timestamptz",
    "without columns": "",
}


@pytest.mark.few(2)
@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["up"]], ids=" ".join)
@pytest.mark.parametrize(
    "row", ["('by hand', 7, '-infinity', '', '')", "('0007_x', 7, 'infinity', '', '')"]
)
def test_a_row_that_no_runner_wrote_is_named(
    project: Project, command: list[str], row: str
) -> None:
    project.write(THREE)
    project.succeed("up", "1")
    columns = "name, position, applied_at, checksum, up_sql"
    project.query(f"INSERT INTO schema_migrations ({columns}) VALUES {row}")

    failed = project.fail(*command)

    assert 'its row "' in failed.err
    assert "Traceback" not in failed.err


def test_what_is_not_utf_8_on_the_command_line_is_one_line(project: Project) -> None:
    project.write(THREE)

    failed = project.fail("status", "--table", "\udcff")

    assert failed.lines == ["an argument or a variable is not UTF-8; correct it"]


def test_a_document_is_utf_8_whatever_a_files_name_is(project: Project) -> None:
    (project.folder / "0001_\udcff.up.sql").write_text("SELECT 1;")

    failed = project.fail("status", "--json")

    assert json.loads(failed.out)["error"]["kind"] == "FilesInvalid"


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(columns, id=tool, marks=() if tool in ("dbmate", "golang-migrate") else slow)
        for tool, columns in FOREIGN.items()
    ],
)
def test_another_tools_table_is_refused_and_untouched(project: Project, columns: str) -> None:
    project.write(THREE)
    project.query(f"CREATE TABLE schema_migrations ({columns})")
    described = "SELECT * FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass"
    before = project.query(described)

    for command in COMMANDS if columns == FOREIGN["dbmate"] else COMMANDS[:1]:
        failed = project.fail(*command)
        assert len(failed.lines) == 1
        assert "public.schema_migrations was not made by this runner" in failed.err
        assert "--table SCHEMA.NAME or MIGRATIONS_TABLE" in failed.err

    assert project.query(described) == before
    assert project.query("SELECT count(*) FROM schema_migrations") == [(0,)]
    assert "a" not in project.tables


def test_a_view_of_that_name_is_refused_too(project: Project) -> None:
    project.write(THREE)
    project.query("CREATE VIEW schema_migrations AS SELECT 1 AS version")

    assert "was not made by this runner" in project.fail("up").err


def as_option(table: str) -> tuple[list[str], Mapping[str, str]]:
    return ["--table", table], {}


def as_variable(table: str) -> tuple[list[str], Mapping[str, str]]:
    return [], {"MIGRATIONS_TABLE": table}


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("given", "table", "where"),
    [
        (as_option, "Ops.Select", ("Ops", "Select")),
        (as_variable, "my ops.hist-ory", ("my ops", "hist-ory")),
        pytest.param(as_option, "größe.é;1", ("größe", "é;1"), marks=slow),
        pytest.param(as_variable, "history", ("public", "history"), marks=slow),
    ],
)
def test_the_ledger_may_be_elsewhere_for_every_command(
    project: Project, given: Any, table: str, where: tuple[str, str]
) -> None:
    project.query('CREATE SCHEMA "my ops"; CREATE SCHEMA "Ops"; CREATE SCHEMA größe')
    # In its usual place there is another tool's.
    project.query("CREATE TABLE schema_migrations (version bigint)")
    project.write(THREE)
    options, variables = given(table)
    env = {"DATABASE_URL": project.database, **variables}

    project.succeed("up", *options, env=env)

    assert "3 applied" in project.succeed("status", *options, env=env).out
    project.succeed("accept", "1", *options, env=env)
    project.succeed("redo", *options, env=env)
    project.succeed("down", *options, env=env)
    found = project.query(
        "SELECT table_schema, table_name FROM information_schema.columns"
        " WHERE column_name = 'up_sql'"
    )
    assert found == [where]
    rows = project.query('SELECT name FROM "{}"."{}" ORDER BY position'.format(*where))
    assert rows == [("0001_a",), ("0002_b",)]


def test_the_option_goes_before_the_variable(project: Project) -> None:
    project.write(THREE)
    env = {"DATABASE_URL": project.database, "MIGRATIONS_TABLE": "not.the.one"}

    project.succeed("up", "--table", "history", env=env)

    assert project.query("SELECT count(*) FROM history") == [(3,)]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "table",
    [
        "a.b.c",
        "nowhere.x",
        *(
            pytest.param(each, marks=slow)
            for each in (".b", "a.", "pg_temp.x", "information_schema.x", "é" * 50)
        ),
    ],
)
def test_a_place_where_no_ledger_can_be_is_one_line(project: Project, table: str) -> None:
    project.write(THREE)

    for command in ("up", "status"):
        failed = project.fail(command, "--table", table)
        assert len(failed.lines) == 1, failed.err
        assert table in failed.err

    assert project.tables == []


def test_two_ledgers_in_one_database_do_not_know_of_each_other(project: Project) -> None:
    project.query("CREATE SCHEMA one; CREATE SCHEMA two")
    project.write({"0001_a.up.sql": "CREATE TABLE IF NOT EXISTS a ();"})

    project.succeed("up", "--table", "one.history")
    project.succeed("up", "--table", "two.history")

    assert project.query(
        "SELECT (SELECT count(*) FROM one.history), count(*) FROM two.history"
    ) == [(1, 1)]


def test_a_script_that_removes_its_own_record_is_refused(project: Project) -> None:
    project.write({"0001_a.up.sql": "CREATE TABLE a (); DELETE FROM schema_migrations;"})

    project.fail("up")

    assert (project.tables, project.applied) == ([], [])
