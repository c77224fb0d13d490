"""Several migrations in one message: what each of them leaves, whichever of them fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.whole.projects import wait_for

if TYPE_CHECKING:
    from tests.whole.projects import Project

BEFORE = {
    "0001_a.up.sql": "CREATE TABLE a (id int PRIMARY KEY);\nSELECT 'é', 1;\nSELECT 2;",
    "0002_b.up.sql": "-- größe\nINSERT INTO a VALUES (1);",
}
AFTER = {"0004_d.up.sql": "CREATE TABLE d ();", "0005_e.up.sql": "CREATE TABLE e ();"}


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("script", "place", "said"),
    [
        ("SELECT 'größe';\n  SELECT x;", "0003_c.up.sql:2:10", 'column "x" does not exist'),
        ("SELECT 1;\nINSERT INTO a VALUES (1);", "0003_c.up.sql:2:1", "duplicate key"),
        ("SELECT 1;\nSELECT 1 +;", "0003_c.up.sql:2:11", "syntax error"),
        ("SELECT 1 /", "0003_c.up.sql:1:11", "syntax error"),
        ("DO $$ BEGIN\n  PERFORM 1/0;\nEND $$;", "0003_c.up.sql:2:3", "division by zero"),
        (
            "ALTER TABLE a ADD b int REFERENCES a INITIALLY DEFERRED; INSERT INTO a VALUES (2, 3);",
            "0003_c.up.sql",
            "violates foreign key constraint",
        ),
        ("DELETE FROM schema_migrations WHERE name = '0003_c';", "0003_c.up.sql", "its own row"),
    ],
    ids=["missing", "duplicate", "syntax", "end", "block", "deferred", "row"],
)
def test_one_that_fails_is_named_with_those_before_it_done(
    project: Project, script: str, place: str, said: str
) -> None:
    project.write({**BEFORE, "0003_c.up.sql": script, **AFTER})

    failed = project.fail("up")

    assert f"{place}: " in failed.err
    assert said in failed.err
    assert "The database is at 0002_b." in failed.err or "he database is at 0002_b." in failed.err
    assert [line.split()[:2] for line in failed.out.splitlines()[1:]] == [
        ["applied", "0001_a"],
        ["applied", "0002_b"],
    ]
    assert project.applied == ["0001_a", "0002_b"]
    assert project.tables == ["a"]


@pytest.mark.slow
def test_one_that_waits_for_a_lock_is_tried_again_and_the_rest_follows(project: Project) -> None:
    project.write({"0001_a.up.sql": "CREATE TABLE a (id int);"})
    project.succeed("up")
    project.write(
        {
            "0002_b.up.sql": "CREATE TABLE b ();",
            "0003_c.up.sql": "-- migrate: lock_timeout=300ms\nALTER TABLE a ADD c int;",
            **AFTER,
        }
    )
    with psycopg.connect(project.database) as reader:
        reader.execute("SELECT FROM a")
        runner = project.start("up")
        wait_for(project, "SELECT 1 FROM pg_class WHERE relname = 'b'")
        assert runner.stdout
        lines = iter(runner.stdout.readline, "")
        assert any("0003_c: canceling statement due to lock timeout" in line for line in lines)
        reader.rollback()
        _, err = runner.communicate(timeout=60)

    assert (runner.returncode, err) == (0, "")
    assert project.applied == ["0001_a", "0002_b", "0003_c", "0004_d", "0005_e"]


def test_one_that_needs_no_transaction_goes_between_the_others(project: Project) -> None:
    project.write(
        {
            **BEFORE,
            "0003_c.up.sql": "CREATE INDEX CONCURRENTLY c ON a (id);",
            **AFTER,
            "0006_f.up.sql": "-- migrate: no-transaction\nVACUUM a;\nCREATE TABLE f ();",
            "0007_g.up.sql": "CREATE TABLE g ();",
        }
    )

    project.succeed("up")

    assert project.tables == ["a", "d", "e", "f", "g"]
    assert len(project.applied) == 7


def test_what_one_sets_does_not_reach_the_others_or_the_ledger(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "SET search_path = ''; SET client_encoding = 'LATIN1';"
            "SELECT set_config('statement_timeout', '1h', false);",
            "0002_b.up.sql": "CREATE TABLE said AS SELECT current_setting('search_path') AS path,"
            " current_setting('client_encoding') AS encoding,"
            " current_setting('statement_timeout') AS patience, 'é' AS letter;",
        }
    )

    project.succeed("up")

    assert project.query("SELECT * FROM said") == [('"$user", public', "UTF8", "0", "é")]


@pytest.mark.slow
def test_a_down_of_several_that_fails_leaves_the_rest_applied(project: Project) -> None:
    project.write(
        {
            f"000{number}_{name}.{direction}.sql": script.format(name)
            for number, name in enumerate("abcd", start=1)
            for direction, script in (("up", "CREATE TABLE {} ();"), ("down", "DROP TABLE {};"))
        }
    )
    project.write({"0002_b.down.sql": "DROP TABLE nowhere;"})
    project.succeed("up")

    failed = project.fail("down", "--all", "--yes")

    assert "0002_b.down.sql:1:1: " in failed.err
    assert project.applied == ["0001_a", "0002_b"]
    assert project.tables == ["a", "b"]


def test_each_tells_how_long_it_took(project: Project) -> None:
    project.write({"0001_a.up.sql": "SELECT 1;", "0002_b.up.sql": "SELECT pg_sleep(0.3);", **AFTER})

    out = project.succeed("up").out

    took = {line.split()[1]: line.split()[2] for line in out.splitlines() if " applied " in line}
    assert int(took["0002_b"]) >= 300
    assert int(took["0001_a"]) < 300
    assert int(took["0004_d"]) < 300
