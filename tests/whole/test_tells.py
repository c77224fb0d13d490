"""What `bin/migrate` says: places of errors, JSON, notices, live lines, and questions."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.whole.projects import holding, wait_for
from tests.whole.terminals import on_terminal

if TYPE_CHECKING:
    from tests.whole.projects import Project

slow = pytest.mark.slow

# --- Line 15: places

BEFORE = """
CREATE TABLE p (id int PRIMARY KEY, n int CHECK (n > 0));
CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION inverse(x int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN 1 / x;
END
$$;
"""
DO_CONTEXT = "PL/pgSQL function inline_code_block line"

# What the file holds, and where the error is.
PLACES = {
    "SELECT 1;\nSELEC 2;": "2:1: syntax error at or near",
    "SELECT 1;\n\tSELECT (1;": "2:11: syntax error at or near",
    "SELECT 1;\nSELECT 1 +": "2:11: syntax error at",
    "SELECT 1 + -- the end\n": "1:22: syntax error at",
    "SELECT 1;\r\n-- why\r\n  SELECT nope;\r\n": '3:10: column "nope" does not exist',
    "\ufeffSELECT nope;": '1:8: column "nope" does not exist',
    "/* é 漢字 😀 */ SELECT 'é漢字😀',\n'é漢字😀', nope;": "2:9: column",
    "SELECT 1;\n\n  SELECT 1 / 0;": "3:3: division by zero",
    "INSERT INTO p VALUES (1, 1);\nINSERT INTO p VALUES (1, 1);": "2:1: duplicate key value",
    "SELECT 1;\nINSERT INTO p VALUES (1, -1);": "2:1: new row for relation",
    "INSERT INTO c VALUES (7);\nSET CONSTRAINTS ALL IMMEDIATE;": "2:1: insert or update on",
    "SELECT 1;\n  SELECT inverse(0);": "2:3: division by zero",
    "DO $x$\nBEGIN\n    PERFORM 1;\n    PERFORM 1 / 0;\nEND $x$;": "4:5: division by zero",
    "SELECT 'é'; DO $$ BEGIN\nPERFORM inverse(0); END $$;": "2:1: division by zero",
    "DO $x$\nBEGIN\n    PERFRM 1;\nEND $x$;": "3:5: syntax error at or near",
    "CREATE FUNCTION z() RETURNS int LANGUAGE plpgsql\nAS $$\nBEGIN\n  RETRN 1;\nEND $$;": (
        "4:3: syntax error"
    ),
    "CREATE FUNCTION z() RETURNS int LANGUAGE sql AS $$\n  SELECT nope\n$$;": "2:10: column",
    "BEGIN;\nSELECT 1;\nSELECT nope;\nCOMMIT;": "3:8: column",
    "-- migrate: no-transaction\nSELECT 1;\nSELECT 'é', nope;": "3:13: column",
    "-- migrate: no-transaction\nVACUUM;\n DO $$\nBEGIN PERFORM 1 / 0; END $$;": "4:1: division",
    "-- migrate: no-transaction\nSELECT 1;\n\tSELEC 2;": "3:2: syntax error",
    "-- migrate: no-transaction\nSELECT 1;\n\tREINDEX TABLE CONCURRENTLY nope;": "3:",
}


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(content, id=repr(content)[1:40], marks=slow if number % 2 else ())
        for number, content in enumerate(PLACES)
    ],
)
def test_an_error_has_its_place_in_the_file(project: Project, content: str) -> None:
    project.query(BEFORE)
    project.write({"0007_x.up.sql": content})

    failed = project.fail("up")

    assert failed.err.startswith(f"0007_x.up.sql:{PLACES[content]}")
    assert "warning" not in failed.out


def test_an_error_shows_the_line_and_all_that_postgres_says(project: Project) -> None:
    project.query(BEFORE)
    project.write({"7_x.up.sql": "DO $$\nBEGIN\n    /* 漢字 */ PERFORM inverse(0);\nEND $$;"})

    failed = project.fail("up")

    assert failed.lines[:10] == [
        "7_x.up.sql:3:5: division by zero",
        "",
        "        /* 漢字 */ PERFORM inverse(0);",
        "        ^",
        "context: PL/pgSQL function inverse(integer) line 3 at RETURN",
        '         SQL statement "SELECT inverse(0)"',
        "         PL/pgSQL function inline_code_block line 3 at PERFORM",
        "SQLSTATE 22012",
        "",
        "It was rolled back: nothing of it remains. The database has no migrations applied.",
    ]


def test_detail_and_hint_are_shown(project: Project) -> None:
    project.write(
        {
            "7_x.up.sql": "DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'some', HINT = 'do it',"
            " ERRCODE = 'P0042'; END $$;"
        }
    )

    failed = project.fail("up")

    assert {"detail: some", "hint: do it", "SQLSTATE P0042"} <= set(failed.lines)


@pytest.mark.slow
def test_the_caret_stands_under_the_place_where_characters_are_wide(project: Project) -> None:
    project.write({"7_x.up.sql": "\tSELECT '漢字', nope;"})

    line, caret = project.fail("up").lines[2:4]

    assert line == "    \tSELECT '漢字', nope;"
    assert caret == "    \t" + " " * len("SELECT 'kkaann', "[:-2]) + "^"


def test_a_constraint_that_fails_at_the_very_end_names_the_file(project: Project) -> None:
    project.query(BEFORE)
    project.write({"7_x.up.sql": "SELECT 1;\nINSERT INTO c VALUES (7);\nSELECT 2;"})

    failed = project.fail("up")

    assert re.match(r"7_x\.up\.sql(:\d+:\d+)?: insert or update on table", failed.err)
    assert "detail: Key (id)=(7) is not present in table" in failed.err
    assert project.applied == []


# --- Line 16: JSON

PAIR = {"1_a.up.sql": "CREATE TABLE a (id int);", "1_a.down.sql": "DROP TABLE a;"}
NOISY = "DO $$ BEGIN RAISE NOTICE 'é'; RAISE WARNING 'loud'; RAISE INFO 'info'; END $$;\n"


def document(out: str) -> dict[str, Any]:
    """The one document on standard output; its keys are always the same."""
    read: dict[str, Any] = json.loads(out)
    assert list(read) == ["database", "at", "migrations", "error"]
    if read["error"] is not None:
        assert list(read["error"]) == ["kind", "message", "file", "line", "column", "sqlstate"]
    return read


def test_up_and_down_print_one_document_with_every_migration(project: Project) -> None:
    project.write({**PAIR, "2_b.up.sql": NOISY, "2_b.down.sql": NOISY})

    up = project.migrate("up", "--json")
    down = project.migrate("down", "--all", "--json")

    assert (up.code, down.code) == (0, 0)
    for line in ("notice: é", "warning: loud", "info: info"):
        assert line in up.err
        assert line in down.err
    done, undone = document(up.out), document(down.out)
    assert (done["at"], done["error"]) == ("2_b", None)
    assert (undone["at"], undone["error"]) == (None, None)
    for rows, names, state in (
        (done["migrations"], ["1_a", "2_b"], "applied"),
        (undone["migrations"], ["2_b", "1_a"], "reverted"),
    ):
        assert [row["name"] for row in rows] == names
        for row in rows:
            assert list(row) == ["name", "version", "state", "by_other", "duration_ms"]
            assert (row["state"], row["by_other"]) == (state, False)
            assert 0 < row["duration_ms"] < 60_000
        assert sorted(row["version"] for row in rows) == [1, 2]


def test_a_failure_is_in_the_document_with_its_place_and_what_was_done_before(
    project: Project,
) -> None:
    project.write({**PAIR, "2_b.up.sql": "SELECT 'é',\n  nope;"})

    failed = project.fail("up", "--json")

    said = document(failed.out)
    assert (said["at"], [row["name"] for row in said["migrations"]]) == ("1_a", ["1_a"])
    message = said["error"].pop("message")
    assert said["error"] == {
        "kind": "ScriptFailed",
        "file": "2_b.up.sql",
        "line": 2,
        "column": 3,
        "sqlstate": "42703",
    }
    assert message.startswith('2_b.up.sql:2:3: column "nope" does not exist\n')
    assert failed.err.rstrip().endswith(message)


@pytest.mark.slow
def test_nothing_to_do_and_dry_runs_are_documents_too(project: Project) -> None:
    project.write(PAIR)

    def rows(*arguments: str) -> list[tuple[str, str]]:
        done = project.migrate(*arguments, "--json")
        assert done.code == 0
        return [(row["name"], row["state"]) for row in document(done.out)["migrations"]]

    assert rows("up", "--dry-run") == [("1_a", "would apply")]
    assert rows("down", "--dry-run") == []
    assert rows("down") == []
    assert rows("up") == [("1_a", "applied")]
    assert rows("up") == []
    assert rows("down", "--dry-run") == [("1_a", "would revert")]
    assert rows("status") == [("1_a", "applied")]
    assert rows("redo") == [("1_a", "reverted"), ("1_a", "applied")]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["up", "--to", "9"], "UnknownVersion"),
        pytest.param(["down", "--to", "9"], "UnknownVersion", marks=slow),
        pytest.param(["up", "--dir", "nowhere"], "FilesInvalid", marks=slow),
        pytest.param(["status", "--table", "a.b.c"], "LedgerUnusable", marks=slow),
        (["status", "--database-url", "postgresql://nowhere.invalid/x"], "DatabaseUnavailable"),
        pytest.param(["up", "--database-url", "postgresql://a@b@c/x"], "SettingsError", marks=slow),
    ],
)
def test_every_failure_is_a_document(project: Project, arguments: list[str], kind: str) -> None:
    project.write(PAIR)

    failed = project.fail(*arguments, "--json")

    assert document(failed.out)["error"]["kind"] == kind


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=slow)]
)
def test_an_interruption_is_a_document(project: Project, number: signal.Signals, code: int) -> None:
    project.write({**PAIR, "2_b.up.sql": "SELECT pg_sleep(60);"})
    process = project.start("up", "--json")
    wait_for(
        project,
        "SELECT 1 FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()",
    )

    process.send_signal(number)
    out, _ = process.communicate(timeout=30)

    assert process.returncode == code
    said = document(out)
    assert (said["at"], said["error"]["kind"]) == ("1_a", "Interrupted")


def test_status_has_every_migration_with_its_state(project: Project) -> None:
    project.write({**PAIR, "2_b.up.sql": "SELECT 1;", "3_c.up.sql": "SELECT 1;"})
    project.succeed("up")
    (project.folder / "2_b.up.sql").unlink()
    project.write({"1_a.up.sql": "SELECT 2;", "0_z.up.sql": "SELECT 1;", "4_d.up.sql": "SELECT 1;"})

    said = document(project.succeed("status", "--json").out)

    assert said["at"] == "3_c"
    assert [(row["version"], row["name"], row["state"]) for row in said["migrations"]] == [
        (1, "1_a", "edited"),
        (2, "2_b", "missing"),
        (3, "3_c", "applied"),
        (0, "0_z", "late"),
        (4, "4_d", "pending"),
    ]
    for row in said["migrations"]:
        assert list(row) == ["name", "version", "state", "applied_at", "duration_ms"]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", said["migrations"][0]["applied_at"]
    )


@pytest.mark.slow
def test_status_check_fails_while_anything_is_pending(project: Project) -> None:
    project.write(PAIR)

    assert project.migrate("status", "--check").code == 1
    assert document(project.fail("status", "--check", "--json").out)["error"] is None
    project.succeed("up")
    assert project.succeed("status", "--check").code == 0


# --- Line 17: notices and dry runs


def test_notices_are_shown_as_they_come(project: Project) -> None:
    project.write(
        {
            "1_a.up.sql": "DO $$ BEGIN RAISE NOTICE 'begun'; PERFORM pg_sleep(60); END $$;",
        }
    )
    process = project.start("up")
    assert process.stdout is not None

    said = [process.stdout.readline() for _ in range(2)]

    assert said[1] == "  notice: begun\n"
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=slow)])
def test_a_signal_among_notices_is_not_lost(project: Project, number: signal.Signals) -> None:
    project.write(
        {
            "1_a.up.sql": "DO $$ BEGIN FOR i IN 1..1000000 LOOP RAISE NOTICE 'number %', i;"
            " PERFORM pg_sleep(0.0001); END LOOP; END $$;"
        }
    )
    process = project.start("up")
    assert process.stdout is not None
    while "number 100" not in process.stdout.readline():
        assert process.poll() is None

    process.send_signal(number)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 128 + number
    assert err.startswith("interrupted in 1_a.up.sql")
    assert project.applied == []


@pytest.mark.slow
def test_a_dry_run_touches_nothing(project: Project) -> None:
    project.write({**PAIR, "2_b.up.sql": "SELECT 1;", "2_b.down.sql": "SELECT 1;"})
    everything = "SELECT oid, xmin FROM pg_class UNION ALL SELECT oid, xmin FROM pg_namespace"
    before = project.query(everything)

    planned = project.succeed("up", "--dry-run")

    assert planned.out.splitlines()[1:] == ["Would be applied:", "  1_a", "  2_b"]
    assert project.query(everything) == before
    project.succeed("up")
    rows = project.query("TABLE schema_migrations")
    planned = project.succeed("down", "--all", "--dry-run")
    assert planned.out.splitlines()[-3:] == ["Would be reverted:", "  2_b", "  1_a"]
    assert project.query("TABLE schema_migrations") == rows


# --- Line 18: the live line


SLOW_TABLE = """
    CREATE FUNCTION slow(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(0.005);
        RETURN id;
    END
    $$;
    CREATE TABLE t AS SELECT id, repeat('x', 1000) AS text FROM generate_series(1, 400) AS id;
"""


@pytest.mark.slow
@pytest.mark.parametrize("head", [pytest.param("", marks=slow), "-- migrate: no-transaction\n"])
def test_a_long_index_build_shows_its_progress(project: Project, head: str) -> None:
    project.query(SLOW_TABLE)
    concurrently = "CONCURRENTLY" if head else ""
    project.write({"1_i.up.sql": f"{head}CREATE INDEX {concurrently} ON t (slow(id));"})

    shown = on_terminal(project, "up", columns=200)

    assert shown.code == 0
    percentages = [
        int(found[1])
        for line in shown.live
        if (found := re.match(r"  1_i  [\d.]+ m?s  \[[#.]{20}\] +(\d+) %  building index", line))
    ]
    assert len(percentages) >= 2
    assert percentages == sorted(percentages)
    # Nothing of it stays.
    assert re.fullmatch(r"  applied   1_i +\d\.\d s", shown.lines[1])
    assert len(shown.lines) == 3


@pytest.mark.slow
def test_a_long_migration_shows_how_long_it_takes(project: Project) -> None:
    project.write({"1_a.up.sql": "SELECT pg_sleep(1.3);", "2_b.up.sql": "SELECT 1;"})

    shown = on_terminal(project, "up")

    first, *_ = shown.live
    milliseconds = re.fullmatch(r"  1_a  (\d+) ms", first)
    assert milliseconds
    assert 500 <= int(milliseconds[1]) < 1000
    assert not any("2_b" in line for line in shown.live)


@pytest.mark.parametrize("columns", [80, *(pytest.param(each, marks=slow) for each in (40, 200))])
def test_the_live_line_fits_and_shows_what_matters(project: Project, columns: int) -> None:
    name = "1_" + "a_very_long_name_of_a_migration_" * 3 + "a"
    project.write({f"{name}.up.sql": "SELECT pg_sleep(0.9);"})

    shown = on_terminal(project, "up", columns=columns)

    assert shown.live
    for line in shown.live:
        assert len(line) < columns
        assert re.search(r"\d+ ms|\d\.\d s", line)
    assert any(name in line for line in shown.lines)


@pytest.mark.parametrize("columns", [80, pytest.param(200, marks=slow)])
def test_the_live_line_says_for_whom_a_migration_waits(project: Project, columns: int) -> None:
    project.query("CREATE TABLE t (id int)")
    project.write({"1_n.up.sql": "-- migrate: lock_timeout=1500ms\nALTER TABLE t ADD n int;"})
    with holding(project, "SELECT 1 FROM t", application="the app") as pid:
        shown = on_terminal(project, "up", "--wait", "0", columns=columns)

    assert shown.code == 1
    assert any(f"waits for process {pid} (the app)" in line for line in shown.live)
    assert any(f"It waited for process {pid} (the app)" in line for line in shown.lines)


def test_a_terminal_that_cannot_write_over_gets_no_live_line(project: Project) -> None:
    project.write({"1_a.up.sql": "SELECT pg_sleep(0.8);"})

    shown = on_terminal(project, "up", env={"TERM": "dumb"})

    assert shown.code == 0
    assert "\x1b" not in shown.text
    assert shown.live == []


@slow
def test_no_color_means_no_colours(project: Project) -> None:
    project.write({"1_a.up.sql": "SELECT pg_sleep(0.8);", "2_b.up.sql": "SELECT nope;"})

    shown = on_terminal(project, "up", env={"NO_COLOR": "1"})

    assert shown.code == 1
    assert re.findall(r"\x1b\[[\d;]*m", shown.text) == []


@pytest.mark.parametrize("columns", [80, pytest.param(200, marks=slow)])
def test_a_terminal_has_colours_and_lines_that_fit_it(project: Project, columns: int) -> None:
    names = ["1_a", "2_" + "b" * 50, "3_c"]
    project.write({f"{name}.up.sql": f"CREATE TABLE t{name} (id int);" for name in names})

    up = on_terminal(project, "up", "2", columns=columns)
    status = on_terminal(project, "status", columns=columns)

    assert (up.code, status.code) == (0, 0)
    assert up.text.count("\x1b[32mapplied\x1b[m") == 2
    assert "\x1b[33mpending\x1b[m" in status.text
    for shown in (up, status):
        assert max(map(len, shown.lines)) <= columns
    done = [line for line in up.lines if line.startswith("  applied")]
    assert len(done[0]) == len(done[1])


@pytest.mark.slow
def test_a_pipe_gets_plain_text_however_narrow_the_terminal_is(project: Project) -> None:
    project.write({"1_a.up.sql": "SELECT 1;", "2_b.up.sql": f"SELECT {'1 + ' * 50} nope;"})

    for done in (
        project.migrate("up", env={"DATABASE_URL": project.database, "COLUMNS": "40"}),
        project.migrate("status", env={"DATABASE_URL": project.database, "COLUMNS": "40"}),
    ):
        assert "\x1b" not in done.out + done.err
        assert max(map(len, done.out.splitlines())) > 40


def test_without_a_terminal_there_are_lines_at_the_start_and_the_end_only(
    project: Project,
) -> None:
    project.write({"1_a.up.sql": "SELECT pg_sleep(1.2);"})

    done = project.succeed("up")

    assert len(done.out.splitlines()) == 3
    assert "\r" not in done.out
    assert "\x1b" not in done.out


@pytest.mark.slow
def test_a_notice_does_not_mix_with_the_live_line(project: Project) -> None:
    project.write(
        {
            "1_a.up.sql": "SELECT pg_sleep(0.8);\n"
            "DO $$ BEGIN RAISE NOTICE 'in between'; PERFORM pg_sleep(0.8); END $$;"
        }
    )

    shown = on_terminal(project, "up")

    assert "  notice: in between" in shown.lines
    assert shown.live


# --- Line 19: what would be lost

LOSSES = """
ALTER TABLE a DROP COLUMN b, DROP "C c", ALTER COLUMN d DROP NOT NULL, DROP CONSTRAINT unique_d;
TRUNCATE s."T t", e;
DROP TABLE IF EXISTS a, s."T t";
DROP TABLE e CASCADE;
DROP VIEW v;
"""
LOST = [
    "  drops column b of a, about 1234 rows",
    '  drops column "C c" of a, about 1234 rows',
    '  empties table s."T t", about 1 row',
    "  empties table e, about 0 rows",
    "  drops table a, about 1234 rows",
    '  drops table s."T t", about 1 row',
    "  drops table e, about 0 rows",
]


@pytest.fixture
def losing(project: Project) -> Project:
    """A project whose last migration can be reverted, at a loss."""
    project.write(
        {
            "1_a.up.sql": """
                CREATE SCHEMA IF NOT EXISTS s;
                CREATE TABLE a (b int, "C c" int, d int NOT NULL CONSTRAINT unique_d UNIQUE);
                CREATE TABLE s."T t" (id int);
                CREATE TABLE e (id int);
                CREATE VIEW v AS SELECT 1;
                INSERT INTO a SELECT n, n, n FROM generate_series(1, 1234) AS n;
                INSERT INTO s."T t" VALUES (1);
            """,
            "1_a.down.sql": LOSSES,
        }
    )
    project.succeed("up")
    project.query("ANALYZE")
    return project


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "answer", ["n\n", "\x04", *(pytest.param(each, marks=slow) for each in ("\n", "what?\n"))]
)
def test_down_names_what_will_be_lost_and_asks(losing: Project, answer: str) -> None:
    shown = on_terminal(losing, "down", answer=answer, columns=200)

    assert shown.code == 1
    assert shown.lines[1 : 1 + len(LOST)] == LOST
    assert "Nothing was done." in shown.text
    assert losing.applied == ["1_a"]


@pytest.mark.parametrize("answer", ["y\n", pytest.param("Yes\n", marks=slow)])
def test_down_goes_on_when_it_is_told_to(losing: Project, answer: str) -> None:
    shown = on_terminal(losing, "down", answer=answer)

    assert shown.code == 0
    assert losing.applied == []


def test_ctrl_c_is_an_answer_too(losing: Project) -> None:
    shown = on_terminal(losing, "down", answer="\x03")

    assert shown.code == 130
    assert losing.applied == ["1_a"]


def test_no_transaction_is_open_while_it_asks(losing: Project) -> None:
    seen: list[tuple[Any, ...]] = []

    def look() -> None:
        seen.extend(
            losing.query(
                "SELECT state, xact_start FROM pg_stat_activity"
                " WHERE application_name LIKE 'catalog-migrate%' AND datname = current_database()"
            )
        )

    on_terminal(losing, "down", answer="n\n", when_asked=look)

    assert set(seen) <= {("idle", None)}
    assert seen


@pytest.mark.slow
@pytest.mark.parametrize("command", ["down", pytest.param("redo", marks=slow)])
def test_yes_skips_the_question(losing: Project, command: str) -> None:
    shown = on_terminal(losing, command, "--yes", columns=200)

    assert shown.code == 0
    assert shown.lines[1 : 1 + len(LOST)] == LOST
    assert "[y/N]" not in shown.text
    assert losing.applied == ([] if command == "down" else ["1_a"])


@slow
def test_redo_asks_as_well(losing: Project) -> None:
    shown = on_terminal(losing, "redo", answer="n\n")

    assert shown.code == 1
    assert losing.applied == ["1_a"]


def test_without_a_terminal_down_says_the_same_and_goes_ahead(losing: Project) -> None:
    done = losing.succeed("down")

    assert done.out.splitlines()[1 : 1 + len(LOST)] == LOST
    assert losing.applied == []


def test_where_nothing_is_lost_nothing_is_asked(project: Project) -> None:
    project.write({"1_v.up.sql": "CREATE VIEW v AS SELECT 1;", "1_v.down.sql": "DROP VIEW v;"})
    project.succeed("up")

    shown = on_terminal(project, "down")

    assert shown.code == 0
    assert project.applied == []


@pytest.mark.slow
def test_a_schema_and_partitions_are_counted_with_all_they_hold(project: Project) -> None:
    project.write(
        {
            "1_a.up.sql": """
                CREATE SCHEMA s;
                CREATE TABLE s.a (id int);
                INSERT INTO s.a VALUES (1), (2);
                CREATE TABLE p (id int) PARTITION BY LIST (id);
                CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
                CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
                INSERT INTO p VALUES (1), (2), (2);
            """,
            "1_a.down.sql": "DROP SCHEMA s CASCADE; DROP TABLE p;",
        }
    )
    project.succeed("up")
    project.query("ANALYZE")  # which counts a partitioned table, too, on top of its leaves

    shown = on_terminal(project, "down", answer="n\n")

    assert "[y/N]" in shown.text
    assert "drops table p, about 3 rows" in shown.text
    assert re.search(r"drops .*s, about 2 rows", shown.text)


@pytest.mark.slow
def test_down_in_json_asks_on_standard_error_and_answers_in_json(losing: Project) -> None:
    began = time.monotonic()

    done = losing.migrate("down", "--json")

    assert done.code == 0
    assert document(done.out)["migrations"][0]["state"] == "reverted"
    for line in LOST:
        assert line in done.lines
    assert time.monotonic() - began < 30
