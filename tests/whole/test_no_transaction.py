"""Scripts without a transaction: whatever breaks them, the next `up` or `down` makes them whole."""

from __future__ import annotations

import json
import re
import shlex
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.whole.projects import holding, wait_for

if TYPE_CHECKING:
    import subprocess

    from tests.whole.projects import Project

HEAD = "-- migrate: no-transaction\n"
slow = pytest.mark.slow


def script(*statements: str, head: str = HEAD) -> str:
    """A file with a statement in each line from the second on."""
    return head + "".join(f"{statement};\n" for statement in statements)


def indexes(project: Project) -> dict[str, bool]:
    """Every index of a user's tables, by name, and whether it is valid."""
    return dict(
        project.query(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid"
            " WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)"
            " AND c.relname NOT LIKE 'schema_migrations%'"
        )
    )


def journal(project: Project) -> list[tuple[str, int]]:
    """What is noted of scripts that are not whole."""
    if project.query("SELECT to_regclass('schema_migrations_journal')") == [(None,)]:
        return []
    return [
        (state, number)
        for state, number in project.query(
            "SELECT state, statement FROM schema_migrations_journal ORDER BY statement"
        )
    ]


def active(statement: str) -> str:
    """A query that has an answer while a server process is at work on such a statement."""
    return (
        "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND datname = current_database()"
        f" AND query LIKE '{statement}%' AND pid <> pg_backend_pid()"
    )


def stopped(process: subprocess.Popen[str]) -> tuple[str, str]:
    return process.communicate(timeout=60)


# --- Statement by statement


EVERYTHING = script(
    "SET lock_timeout = '7s'",
    "ALTER TYPE mood ADD VALUE 'ok'",
    "INSERT INTO t VALUES (1, 'ok')",
    "VACUUM t",
    "VACUUM (ANALYZE) t",
    "REINDEX TABLE CONCURRENTLY t",
    "DROP INDEX CONCURRENTLY i1",
    "DROP INDEX CONCURRENTLY IF EXISTS i1",
    'DROP INDEX CONCURRENTLY public."I 2"',
    "CREATE INDEX CONCURRENTLY ON t (id)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i3 ON t (id)",
    "CLUSTER t USING i3",
    "CREATE TABLE said AS SELECT current_setting('lock_timeout') AS lock_timeout",
    "CALL twice()",
    "DO $$ BEGIN INSERT INTO t VALUES (4); COMMIT; INSERT INTO t VALUES (5); END $$",
)
BEFORE_EVERYTHING = """
    CREATE TYPE mood AS ENUM ('sad');
    CREATE TABLE t (id int, m mood);
    CREATE INDEX i1 ON t (id);
    CREATE INDEX "I 2" ON t (id);
    CREATE PROCEDURE twice() LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO t VALUES (2);
        COMMIT;
        INSERT INTO t VALUES (3);
    END
    $$;
"""


def test_statements_that_no_transaction_takes_run_among_others(project: Project) -> None:
    project.write({"1_t.up.sql": BEFORE_EVERYTHING, "2_all.up.sql": EVERYTHING})

    project.succeed("up")

    assert project.query("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (4,), (5,)]
    assert project.query("SELECT lock_timeout FROM said") == [("7s",)]
    assert indexes(project) == {"t_id_idx": True, "i3": True}
    assert (project.applied, journal(project)) == (["1_t", "2_all"], [])


def test_a_down_script_without_a_transaction_reverts(project: Project) -> None:
    project.write(
        {
            "1_t.up.sql": "CREATE TABLE t (id int); CREATE INDEX i ON t (id);",
            "1_t.down.sql": script("DROP INDEX CONCURRENTLY i", "VACUUM t", "DROP TABLE t"),
        }
    )
    project.succeed("up")

    project.succeed("down")

    assert (project.tables, project.applied, journal(project)) == ([], [], [])


def test_a_failure_leaves_what_was_done_and_says_how_much_that_is(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "VACUUM", "SELECT 1/0", "VACUUM")})

    failed = project.fail("up")

    assert failed.err.startswith("1_a.up.sql:4:1: division by zero")
    assert "It runs without a transaction: 2 statements" in failed.err
    assert (project.tables, project.applied) == (["a"], [])


def test_the_next_up_goes_on_with_the_statement_that_failed(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "VACUUM", "SELECT 1/0", "ANALYZE")})
    project.fail("up")
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "VACUUM", "SELECT 1/1", "ANALYZE")})

    done = project.succeed("up")

    assert done.out.count("1_a: goes on after statement 2") == 1
    assert (project.applied, journal(project)) == (["1_a"], [])


def test_the_next_down_goes_on_with_the_statement_that_failed(project: Project) -> None:
    project.write(
        {"1_a.up.sql": "CREATE TABLE a ();", "1_a.down.sql": script("DROP TABLE a", "SELECT 1/0")}
    )
    project.succeed("up")
    project.fail("down")
    assert (project.tables, project.applied) == ([], ["1_a"])
    project.write({"1_a.down.sql": script("DROP TABLE a", "SELECT 1/1")})

    project.succeed("down")

    assert (project.applied, journal(project)) == ([], [])


@pytest.mark.slow
def test_what_the_script_set_before_it_broke_holds_for_the_rest(project: Project) -> None:
    before = ["CREATE SCHEMA s", "SET search_path = s", "CREATE TABLE a ()"]
    project.write({"1_a.up.sql": script(*before, "SELECT 1/0", "CREATE TABLE b ()")})
    project.fail("up")
    project.write({"1_a.up.sql": script(*before, "SELECT 1/1", "CREATE TABLE b ()")})

    project.succeed("up")

    assert project.tables == []
    assert project.query("SELECT to_regclass('s.a') IS NULL, to_regclass('s.b') IS NULL") == [
        (False, False)
    ]
    assert project.applied == ["1_a"]


@pytest.mark.slow
def test_comments_and_blanks_may_change_between_two_runs(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "SELECT 1/0")})
    project.fail("up")
    project.write({"1_a.up.sql": script("-- why\nCREATE  /* x */ TABLE a\n()", "SELECT 1/1")})

    project.succeed("up")

    assert project.applied == ["1_a"]


def test_a_kill_in_the_middle_does_no_statement_twice(project: Project) -> None:
    inserts = ["INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2)"]
    project.write(
        {"1_a.up.sql": script("CREATE TABLE a (n int)", *inserts, "SELECT pg_sleep(1)", *inserts)}
    )
    process = project.start("up")
    wait_for(project, active("%pg_sleep(1)"))
    process.kill()
    stopped(process)

    project.succeed("up")

    assert project.query("SELECT n FROM a ORDER BY n") == [(1,), (1,), (2,), (2,)]
    assert (project.applied, journal(project)) == (["1_a"], [])


# --- Nothing else runs while a script is half done


@pytest.mark.slow
def test_nothing_is_reverted_under_a_script_that_broke_off(project: Project) -> None:
    mood = ["ALTER TYPE mood ADD VALUE 'ok'", "INSERT INTO t VALUES ('ok')"]
    project.write(
        {
            "1_t.up.sql": "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (m mood);",
            "1_t.down.sql": "DROP TABLE t; DROP TYPE mood;",
            "2_x.up.sql": script(*mood, "SELECT 1/0"),
            "3_y.up.sql": "SELECT 1;",
        }
    )
    project.fail("up")

    for command in ("down", "redo"):
        assert "2_x broke off after statement 2" in project.fail(command).err

    assert project.applied == ["1_t"]
    assert "broke off" in project.succeed("status").out
    project.write({"2_x.up.sql": script(*mood, "SELECT 1/1")})
    project.succeed("up")
    assert project.applied == ["1_t", "2_x", "3_y"]


@pytest.mark.slow
def test_up_finishes_a_down_that_broke_off_though_nothing_is_pending(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int, extra int);",
            "0001_a.down.sql": script(
                "ALTER TABLE a DROP COLUMN extra", "SELECT 1 / 0", "DROP TABLE a"
            ),
        }
    )
    project.succeed("up")
    project.fail("down")
    project.write({"0001_a.down.sql": script("ALTER TABLE a DROP COLUMN extra", "DROP TABLE a")})

    shown = project.fail("status", "--check")
    document = json.loads(project.migrate("status", "--json").out)
    project.succeed("up")

    assert "broke off after statement 1 of its down script" in shown.out
    assert document["migrations"][0]["state"] == "half reverted"
    assert project.applied == ["0001_a"]
    assert project.query("SELECT extra FROM a") == []
    assert journal(project) == []


@pytest.mark.slow
def test_the_way_on_after_an_edit_leaves_what_was_done_after_it(project: Project) -> None:
    project.write(
        {"0001_a.up.sql": script("CREATE TABLE a (id int)", "INSERT INTO a VALUES (1)", "SELECT x")}
    )
    project.fail("up")
    project.write(
        {
            "0001_a.up.sql": script(
                "CREATE TABLE IF NOT EXISTS a (id int)", "INSERT INTO a VALUES (1)", "SELECT 1"
            )
        }
    )

    failed = project.fail("up")
    assert "2 statements are known to be done" in failed.err
    assert "--resume-at 3   if statement 1 took effect" in failed.err
    project.succeed("up", "--resume-at", "3")

    assert project.query("SELECT * FROM a") == [(1,)]


def test_a_script_that_broke_off_says_how_to_forget_it_wherever_the_ledger_is(
    project: Project,
) -> None:
    table = ("--table", "The App.it's")
    project.query('CREATE SCHEMA "The App"')
    project.write({"0001_a.up.sql": script("CREATE TABLE a (id int)", "SELECT x")})
    project.fail("up", *table)
    (project.folder / "0001_a.up.sql").unlink()
    project.write({"0002_b.up.sql": "SELECT 1;"})

    failed = project.fail("up", *table)

    assert "Its file is gone: bring it back; then: bin/migrate up" in failed.err
    [forget] = re.findall("bin/psql -c (.*)", failed.err)
    [statement] = shlex.split(forget)
    project.query(statement)
    project.succeed("up", *table)


@pytest.mark.slow
def test_nothing_is_applied_over_a_script_that_broke_off_and_is_gone(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "SELECT 1/0")})
    project.fail("up")
    (project.folder / "1_a.up.sql").unlink()
    project.write({"2_b.up.sql": "CREATE TABLE b ();"})

    failed = project.fail("up")

    assert "1_a broke off after statement 1" in failed.err
    assert (project.tables, project.applied) == (["a"], [])


def test_a_script_that_broke_off_is_not_run_again_in_a_transaction(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "SELECT 1/0")})
    project.fail("up")
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "SELECT 1/1", head="")})

    failed = project.fail("up")

    assert "1_a broke off after statement 1" in failed.err


@pytest.mark.slow
def test_what_it_did_can_be_taken_back_by_hand_and_forgotten(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "SELECT 1/0")})
    project.fail("up")
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "SELECT 1/1", head="")})
    advice = project.fail("up").err.strip().rpartition("bin/psql -c ")[2]

    project.query("DROP TABLE a")
    project.query(advice.strip("'"))
    project.succeed("up")

    assert (project.tables, project.applied) == (["a"], ["1_a"])


# --- Indexes


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("table", "name"),
    [
        ('"My S"."T x"', '"I ""x"""'),
        ("t", ""),
        pytest.param('"T x"', "i", marks=slow),
        pytest.param('"My S"."T x"', "", marks=slow),
        pytest.param("s.t", "I", marks=slow),
    ],
)
def test_an_index_that_failed_is_built_again_once_it_can_be(
    project: Project, table: str, name: str
) -> None:
    project.write(
        {
            "1_t.up.sql": f'CREATE SCHEMA s; CREATE SCHEMA "My S"; CREATE TABLE {table} (id int);'
            f"INSERT INTO {table} VALUES (1), (1);",
            "2_i.up.sql": script(
                "CREATE TABLE before ()",
                f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} (id)",
                "CREATE TABLE after ()",
            ),
        }
    )
    failed = project.fail("up")
    assert failed.err.startswith("2_i.up.sql:3:1: could not create unique index")
    assert list(indexes(project).values()) == [False]
    project.query(f"TRUNCATE {table}")

    done = project.succeed("up")

    assert "removed the invalid index" in done.out
    assert list(indexes(project).values()) == [True]
    assert project.applied == ["1_t", "2_i"]
    assert {"before", "after"} <= set(project.tables)


@slow
def test_an_index_that_keeps_failing_leaves_one_and_not_many(project: Project) -> None:
    project.write({"1_i.up.sql": script("CREATE UNIQUE INDEX CONCURRENTLY ON t (id)")})
    project.query("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")

    for _ in range(3):
        project.fail("up")

    assert list(indexes(project).values()) == [False]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("SELECT pg_cancel_backend(({}))", marks=slow),
        "SELECT pg_terminate_backend(({}))",
        pytest.param("kill -9", marks=slow),
        pytest.param("SIGTERM", marks=slow),
    ],
)
def test_an_index_whose_building_was_broken_off_is_built_again(project: Project, end: str) -> None:
    project.query("CREATE TABLE t (id int)")
    project.write(
        {
            "1_i.up.sql": script(
                "CREATE TABLE before ()",
                "CREATE INDEX CONCURRENTLY ON t (id)",
                "CREATE TABLE after ()",
            )
        }
    )
    building = active("CREATE INDEX CONCURRENTLY")
    with ExitStack() as held:
        held.enter_context(holding(project, "INSERT INTO t VALUES (1)"))
        process = project.start("up")
        wait_for(project, building)
        wait_for(project, "SELECT 1 FROM pg_index WHERE indrelid = 't'::regclass")
        if end.startswith("SELECT"):
            project.query(end.format(building))
        elif end == "kill -9":
            process.kill()
            stopped(process)
        else:
            process.terminate()
        if end != "kill -9":
            stopped(process)
            assert process.returncode in (1, 143)
            assert list(indexes(project).values()) == [False]

    project.succeed("up")

    assert indexes(project) == {"t_id_idx": True}
    assert (project.applied, journal(project)) == (["1_i"], [])


@slow
def test_what_a_killed_runner_left_at_work_is_waited_for(project: Project) -> None:
    project.query("CREATE TABLE t (id int)")
    project.write({"1_i.up.sql": script("CREATE INDEX CONCURRENTLY i ON t (id)")})
    with ExitStack() as held:
        held.enter_context(holding(project, "INSERT INTO t VALUES (1)"))
        first = project.start("up")
        wait_for(project, active("CREATE INDEX CONCURRENTLY"))
        first.kill()
        stopped(first)
        second = project.start("up")
        time.sleep(1.5)
        assert second.poll() is None

    out, err = stopped(second)

    assert (second.returncode, err) == (0, "")
    assert "waiting for what is left of an earlier run to end" in out
    assert indexes(project) == {"i": True}
    assert project.applied == ["1_i"]


@pytest.fixture
def invalid_index(project: Project) -> Project:
    """A table with an INVALID index `i` that no migration made."""
    project.query("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        project.query("CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)")
    project.query("DELETE FROM t")
    return project


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param("SELECT 1;\nCREATE INDEX IF NOT EXISTS i ON t (id);", 2, marks=slow),
        ("CREATE TABLE u (id int);\nCREATE INDEX IF NOT EXISTS i ON u (id);", 2),
        pytest.param(
            "SELECT 1;\nSET search_path = public;\nCREATE INDEX IF NOT EXISTS I ON t (id);",
            3,
            marks=slow,
        ),
        (script("CREATE INDEX IF NOT EXISTS i ON t (id)"), 2),
        (script("SELECT 1", "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id)"), 3),
        pytest.param(
            script("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (id)"), 2, marks=slow
        ),
    ],
)
def test_an_invalid_index_of_somebody_else_is_no_success_and_left_alone(
    invalid_index: Project, content: str, line: int
) -> None:
    invalid_index.write({"1_i.up.sql": content})

    for _ in range(2):
        failed = invalid_index.fail("up")
        assert f"1_i.up.sql:{line}:1: the index " in failed.err
        assert "was there already, and is INVALID" in failed.err
        assert "REINDEX INDEX CONCURRENTLY" in failed.err

    assert indexes(invalid_index) == {"i": False}
    assert invalid_index.applied == []
    invalid_index.query("REINDEX INDEX CONCURRENTLY i")
    invalid_index.succeed("up")
    assert invalid_index.applied == ["1_i"]


@pytest.mark.slow
def test_an_invalid_index_in_the_way_of_a_new_one_is_left_alone(invalid_index: Project) -> None:
    invalid_index.write({"1_i.up.sql": script("CREATE INDEX CONCURRENTLY i ON t (id)")})

    for _ in range(2):
        assert 'relation "i" already exists' in invalid_index.fail("up").err

    assert indexes(invalid_index) == {"i": False}


def test_two_indexes_that_may_be_the_one_that_broke_are_a_question(project: Project) -> None:
    project.query("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")
    project.write({"1_i.up.sql": script("CREATE UNIQUE INDEX CONCURRENTLY ON t (id)")})
    project.fail("up")
    project.query("CREATE INDEX mine ON t (id)")

    failed = project.fail("up")

    assert "these indexes are new: public.t_id_idx, public.mine" in failed.err
    assert indexes(project) == {"t_id_idx": False, "mine": True}


@pytest.mark.slow
@pytest.mark.parametrize("ending", [pytest.param("", marks=slow), " RESTRICT"])
def test_an_index_whose_dropping_was_broken_off_is_dropped(project: Project, ending: str) -> None:
    project.query("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    project.write({"1_i.up.sql": script(f"DROP INDEX CONCURRENTLY i{ending}", "SELECT 1")})
    dropping = active("DROP INDEX CONCURRENTLY")
    with holding(project, "INSERT INTO t VALUES (1)"):
        process = project.start("up")
        wait_for(project, dropping)
        wait_for(project, "SELECT 1 FROM pg_index WHERE NOT indisvalid")
        project.query(f"SELECT pg_terminate_backend(({dropping}))")
        stopped(process)

    project.succeed("up")

    assert indexes(project) == {}
    assert (project.applied, journal(project)) == (["1_i"], [])


# --- Where going on would be a guess


PROCEDURE = """
    CREATE TABLE log (n int);
    CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO log VALUES (1);
        COMMIT;
        PERFORM pg_sleep(1);
        INSERT INTO log VALUES (2);
    END
    $$;
"""
DOUBTFUL = script("INSERT INTO log VALUES (0)", "CALL work()", "INSERT INTO log VALUES (3)")


@pytest.fixture
def in_doubt(project: Project) -> Project:
    """A script whose second statement was killed half-way, after it had committed something."""
    project.write({"1_p.up.sql": PROCEDURE, "2_c.up.sql": DOUBTFUL})
    process = project.start("up")
    wait_for(project, active("CALL work()"))
    wait_for(project, "SELECT 1 FROM log WHERE n = 1")
    project.query(f"SELECT pg_terminate_backend(({active('CALL work()')}))")
    stopped(process)
    return project


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "expected"), [(3, [0, 1, 3]), pytest.param(2, [0, 1, 1, 2, 3], marks=slow)]
)
def test_a_statement_in_doubt_stops_the_next_up_and_either_way_on_works(
    in_doubt: Project, at: int, expected: list[int]
) -> None:
    for _ in range(2):
        failed = in_doubt.fail("up")
        assert "2_c broke off, and its statement 2" in failed.err
        assert "    CALL work()\n" in failed.err
        assert "--resume-at 3   if statement 2 took effect" in failed.err
        assert "--resume-at 2   to run it" in failed.err
    assert in_doubt.query("SELECT n FROM log ORDER BY n") == [(0,), (1,)]

    done = in_doubt.succeed("up", "--resume-at", str(at))

    assert f"2_c: goes on after statement {at - 1}" in done.out
    assert in_doubt.query("SELECT n FROM log ORDER BY n") == [(n,) for n in expected]
    assert (in_doubt.applied, journal(in_doubt)) == (["1_p", "2_c"], [])


def test_what_fails_after_it_committed_is_said_to_be_a_question(project: Project) -> None:
    block = "DO $$ BEGIN INSERT INTO log VALUES (1); COMMIT; PERFORM 1 / 0; END $$"
    project.write({"1_t.up.sql": "CREATE TABLE log (n int)", "2_d.up.sql": script(block)})

    failed = project.fail("up")
    again = project.fail("up")

    assert "0 statements of it took effect, and of statement 1 whatever it committed" in failed.err
    assert "it stops, and shows how to go on" in " ".join(failed.err.split())
    assert "--resume-at 1" in again.err
    assert project.query("SELECT n FROM log") == [(1,)]


@pytest.mark.parametrize("at", ["5", pytest.param("99", marks=slow)])
def test_there_is_no_going_on_beyond_the_end(in_doubt: Project, at: str) -> None:
    failed = in_doubt.fail("up", "--resume-at", at)

    assert "has 3 statements" in failed.err
    assert in_doubt.applied == ["1_p"]


@pytest.mark.slow
def test_an_edited_statement_that_was_done_is_a_question(project: Project) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "CREATE TABLE b ()", "SELECT 1/0")})
    project.fail("up")
    edited = ["CREATE TABLE other ()", "CREATE TABLE b ()"]
    project.write({"1_a.up.sql": script(*edited, "SELECT 1/1", "SELECT 1/0")})

    failed = project.fail("up")

    assert "1_a broke off, and its statement 1 was done" in failed.err
    assert "    CREATE TABLE a ()\n" in failed.err
    assert "2 statements are known to be done" in failed.err
    # The answer counts for the rest of the script, also when that fails again.
    assert "1_a.up.sql:5:1: division by zero" in project.fail("up", "--resume-at", "3").err
    project.write({"1_a.up.sql": script(*edited, "SELECT 1/1", "SELECT 2/1")})
    project.succeed("up")
    assert project.tables == ["a", "b"]
    assert project.applied == ["1_a"]


@pytest.mark.parametrize("head", [HEAD, pytest.param("", marks=slow)])
def test_there_is_nothing_to_resume_in_a_script_that_was_not_begun(
    project: Project, head: str
) -> None:
    project.write({"1_a.up.sql": script("CREATE TABLE a ()", "CREATE TABLE b ()", head=head)})

    failed = project.fail("up", "--resume-at", "2")

    assert len(failed.lines) == 1
    assert "--resume-at" in failed.err
    assert (project.tables, project.applied) == ([], [])


# --- Lone statements without a header, as other tools' histories have them


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param("CREATE INDEX CONCURRENTLY i ON t (id)", marks=slow),
        "-- Why: faster.\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (id);\n",
        pytest.param("/* nothing else */ VACUUM t;", marks=slow),
        pytest.param("REINDEX TABLE CONCURRENTLY t;", marks=slow),
        "CALL commits();",
        pytest.param("DO $$ BEGIN COMMIT; END $$;", marks=slow),
        pytest.param("ALTER SYSTEM RESET work_mem;", marks=slow),
    ],
)
def test_a_lone_statement_that_no_transaction_takes_runs_without_one(
    project: Project, content: str
) -> None:
    project.query(
        "CREATE TABLE t (id int);"
        " CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'"
    )
    project.write({"1_x.up.sql": content, "1_x.down.sql": "DROP INDEX CONCURRENTLY IF EXISTS i;"})

    project.succeed("up")
    assert project.applied == ["1_x"]
    project.succeed("down")

    assert (indexes(project), project.applied, journal(project)) == ({}, [], [])


def test_a_lone_index_that_failed_is_built_again(project: Project) -> None:
    project.query("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1)")
    project.write({"1_i.up.sql": "CREATE UNIQUE INDEX CONCURRENTLY i ON t (id);"})
    failed = project.fail("up")
    assert failed.err.startswith("1_i.up.sql:1:1: could not create unique index")
    project.query("TRUNCATE t")

    project.succeed("up")

    assert indexes(project) == {"i": True}
    assert project.applied == ["1_i"]


@pytest.mark.parametrize(
    "content",
    [
        "CREATE TABLE u ();\nCREATE INDEX CONCURRENTLY i ON t (id);",
        "BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (id);\nCOMMIT;",
    ],
)
def test_among_others_such_a_statement_is_refused_and_the_way_out_named(
    project: Project, content: str
) -> None:
    project.query("CREATE TABLE t (id int)")
    project.write({"1_i.up.sql": content})

    failed = project.fail("up")

    assert "1_i.up.sql:2:1: CREATE INDEX CONCURRENTLY cannot run inside a transaction" in failed.err
    assert "-- migrate: no-transaction" in failed.err
    assert (project.tables, indexes(project), project.applied) == (["t"], {}, [])
