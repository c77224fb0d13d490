"""Several runners at once, and runners beside other sessions: nothing twice, nothing stuck."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.whole.histories import HISTORY, NAMES, dice_of, invalid_indexes, state_of
from tests.whole.projects import wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from tests.whole.projects import Project

RUNNERS = 16
# A statement that takes until the test lets go of this lock.
PASS = "SELECT pg_advisory_xact_lock(1);"
HEADER = "-- migrate: lock_timeout=60s"
AT_THE_GATE = """
    SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
     WHERE locktype = 'advisory' AND objid = 1 AND NOT granted AND datname = current_database()
"""
LOCK_HOLDERS = """
    SELECT pid, application_name, state, backend_xmin IS NULL
      FROM pg_stat_activity JOIN pg_locks USING (pid)
     WHERE application_name LIKE 'catalog-migrate-% (lock)'
       AND locktype = 'advisory' AND granted AND datname = current_database()
"""
RUNNERS_WITH_A_LOCK = """
    SELECT 1 FROM pg_stat_activity
     WHERE application_name LIKE 'catalog-migrate-% (lock)' AND datname = current_database()
"""
BUILDING = """
    SELECT 1 FROM pg_stat_progress_create_index
     WHERE phase = 'waiting for writers before build' AND datname = current_database()
"""
TWO = {
    "0001_a.up.sql": "CREATE TABLE a (id int);",
    "0001_a.down.sql": "DROP TABLE a;",
    "0002_b.up.sql": f"{HEADER}\n{PASS} CREATE TABLE b (id int);",
    "0002_b.down.sql": "DROP TABLE b;",
}
INDEX = {
    "0001_a.up.sql": "CREATE TABLE a (id int); CREATE TABLE other (id int);",
    "0002_i.up.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a_by_id ON a (id);",
}


def end_of(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """How each of them ended: exit status, output, errors."""
    ends = [process.communicate(timeout=90) for process in processes]
    return [(process.wait(), *end) for process, end in zip(processes, ends, strict=True)]


def runners_at_the_lock(count: int) -> str:
    """Whether so many runners are connected twice: one has the lock, and the others want it."""
    return f"{RUNNERS_WITH_A_LOCK} HAVING count(*) >= {count}"


@contextmanager
def gate_closed(project: Project) -> Iterator[None]:
    """Holds up every statement that has to pass."""
    with psycopg.connect(project.database, autocommit=True) as keeper:
        keeper.execute("SELECT pg_advisory_lock(1)")
        yield


@contextmanager
def writing(project: Project, table: str) -> Iterator[psycopg.Connection]:
    """A session in the middle of writing to a table, for which index builds on it wait."""
    with psycopg.connect(project.database) as writer:
        writer.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE".encode())
        yield writer


# --- Sixteen at once


def test_sixteen_up_at_once_apply_each_migration_once_and_all_tell_who_did_it(
    project: Project,
) -> None:
    project.write(HISTORY)

    ends = end_of([project.start("up") for _ in range(RUNNERS)])

    assert [(code, err) for code, _, err in ends] == [(0, "")] * RUNNERS, ends
    state = state_of(project)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
    lines = [line.split() for _, out, _ in ends for line in out.splitlines()]
    ours = [line[1] for line in lines if line[:1] == ["applied"] and line[2:4] != ["by", "another"]]
    assert sorted(ours) == NAMES
    for _, out, _ in ends:
        told = re.findall(r"^  applied +(\S+)", out, re.MULTILINE)
        # To who comes last some of it is history.
        assert told == NAMES[len(NAMES) - len(told) :]
        assert "the database is at 0005_add_moods." in out


@pytest.mark.parametrize("deal", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_up_and_down_mixed_end_without_errors_and_consistently(
    project: Project, request: pytest.FixtureRequest, deal: int
) -> None:
    project.write(HISTORY)
    commands = [["up"], ["down"], ["up", "2"], ["down", "--all"], ["up"], ["down", "2"]] * 2
    dice_of(request).shuffle(commands)

    ends = end_of([project.start(*command) for command in commands])

    assert [(code, err) for code, _, err in ends] == [(0, "")] * len(commands), ends
    applied = project.applied
    assert applied == NAMES[: len(applied)]
    project.succeed("up")
    state = state_of(project)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])


@pytest.mark.slow
def test_a_down_that_waited_does_not_revert_what_came_meanwhile(project: Project) -> None:
    project.write(TWO)
    project.succeed("up", "1")
    with gate_closed(project):
        up = project.start("up")
        wait_for(project, AT_THE_GATE)
        down = project.start("down")
        wait_for(project, runners_at_the_lock(2))

    [(up_code, *_), (code, out, _)] = end_of([up, down])
    assert (up_code, code) == (0, 0)
    assert re.search(r"applied +0002_b +by another runner", out)
    assert "Nothing to revert: the database is at 0002_b." in out
    assert project.applied == ["0001_a", "0002_b"]


@pytest.mark.slow
def test_a_down_that_waited_does_not_do_it_again(project: Project) -> None:
    table_b = "CREATE TABLE b (id int);"
    project.write({**TWO, "0002_b.up.sql": table_b, "0002_b.down.sql": f"{HEADER}\n{PASS}"})
    project.succeed("up")
    with gate_closed(project):
        first = project.start("down")
        wait_for(project, AT_THE_GATE)
        second = project.start("down")
        wait_for(project, runners_at_the_lock(2))

    [(first_code, *_), (code, out, _)] = end_of([first, second])
    assert (first_code, code) == (0, 0)
    assert re.search(r"reverted +0002_b +by another runner", out)
    assert project.applied == ["0001_a"]


# --- The lock


@pytest.mark.slow
def test_a_waiting_runner_names_the_holder_and_gives_up_after_its_wait(project: Project) -> None:
    project.write(TWO)
    with gate_closed(project):
        holder = project.start("up")
        wait_for(project, AT_THE_GATE)
        [(pid, name, *_)] = project.query(LOCK_HOLDERS)

        began = time.monotonic()
        refused = project.fail("up", "--wait", "1")
        took = time.monotonic() - began

    named = rf"process {pid} \({re.escape(name)}\), since \d\d:\d\d:\d\d \w+"
    assert re.search(f"waiting for another runner: {named}", refused.out)
    assert re.search(f"another runner is at work: {named}; waited 1 s", refused.err)
    assert "The database is at 0001_a." in refused.err
    assert 1 < took < 6
    assert end_of([holder])[0][0] == 0


@pytest.mark.slow
def test_without_patience_a_runner_gives_up_at_once(project: Project) -> None:
    project.write(TWO)
    with gate_closed(project):
        holder = project.start("up")
        wait_for(project, AT_THE_GATE)

        refused = project.fail("up", "--wait", "0")

    assert "another runner is at work" in refused.err
    assert "waited 0 s" in refused.err
    assert end_of([holder])[0][0] == 0


@pytest.mark.slow
def test_the_lock_is_free_as_soon_as_its_holder_dies(project: Project) -> None:
    project.write(TWO)
    with gate_closed(project):
        holder = project.start("up")
        wait_for(project, AT_THE_GATE)
        heir = project.start("up")
        wait_for(project, runners_at_the_lock(2))
        holder.kill()
        end_of([holder])

        # The heir has the lock, and waits for what the holder's server process is at.
        wait_for(project, LOCK_HOLDERS)
        began = time.monotonic()

    [(code, *_)] = end_of([heir])
    assert code == 0
    assert time.monotonic() - began < 5
    assert project.applied == ["0001_a", "0002_b"]


@pytest.mark.parametrize(
    "header",
    ["", pytest.param("-- migrate: no-transaction\n", marks=pytest.mark.slow)],
    ids=["whole", "in steps"],
)
def test_a_lost_lock_does_not_let_anything_run_twice(project: Project, header: str) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_a.up.sql": f"{header}INSERT INTO a SELECT 1 FROM pg_sleep(3);",
            "0003_a.up.sql": f"{header}INSERT INTO a SELECT 2;",
        }
    )
    first = project.start("up")
    wait_for(project, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    wait_for(project, LOCK_HOLDERS)
    [(pid, *_)] = project.query(LOCK_HOLDERS)
    project.query(f"SELECT pg_terminate_backend({pid})")

    second = project.start("up")

    ends = end_of([first, second])
    assert [(code, err) for code, _, err in ends] == [(0, "")] * 2
    assert project.applied == ["0001_a", "0002_a", "0003_a"]
    assert project.query("SELECT id FROM a ORDER BY id") == [(1,), (2,)]


def test_the_lock_outlives_the_servers_patience_with_idle_transactions(project: Project) -> None:
    [(name,)] = project.query("SELECT current_database()")
    for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
        project.query(f"ALTER DATABASE {name} SET {setting} = '500ms'")
    project.write({"0001_a.up.sql": f"{HEADER}\nSET LOCAL transaction_timeout = 0;\n{PASS}"})
    with psycopg.connect(project.database, autocommit=True) as keeper:
        keeper.execute("SELECT pg_advisory_lock(1)")
        runner = project.start("up")
        wait_for(project, AT_THE_GATE)
        time.sleep(1)

        assert len(project.query(LOCK_HOLDERS)) == 1
    assert end_of([runner])[0][0] == 0


# --- CREATE INDEX CONCURRENTLY: it waits for everybody who holds a snapshot


@pytest.mark.slow
def test_a_build_of_ones_own_is_not_held_up_by_runners_that_wait(project: Project) -> None:
    project.write(INDEX)
    project.succeed("up", "1")
    with writing(project, "a"):
        builder = project.start("up")
        wait_for(project, BUILDING)
        waiting = [project.start("up") for _ in range(3)]
        wait_for(project, runners_at_the_lock(4))
        [(_, _, state, no_snapshot)] = project.query(LOCK_HOLDERS)
        time.sleep(1)  # the watcher looks, too

    assert (state, no_snapshot) == ("idle in transaction", True)
    began = time.monotonic()
    ends = end_of([builder, *waiting])
    assert time.monotonic() - began < 8
    assert [(code, err) for code, _, err in ends] == [(0, "")] * 4
    assert invalid_indexes(project) == []
    assert project.applied == ["0001_a", "0002_i"]


@pytest.mark.slow
def test_a_build_of_another_session_is_not_held_up_by_runners(project: Project) -> None:
    project.write(INDEX)
    project.succeed("up", "1")
    with writing(project, "a"):
        runners = [project.start("up") for _ in range(3)]
        wait_for(project, BUILDING)
        wait_for(project, runners_at_the_lock(3))
        with psycopg.connect(project.database, autocommit=True) as other:
            other.execute("SET statement_timeout = '20s'")
            began = time.monotonic()
            other.execute("CREATE INDEX CONCURRENTLY other_by_id ON other (id)")
            assert time.monotonic() - began < 5

    assert [(code, err) for code, _, err in end_of(runners)] == [(0, "")] * 3
    assert invalid_indexes(project) == []


@pytest.mark.slow
def test_while_an_index_is_built_nothing_is_asked_in_the_transaction_of_the_lock(
    project: Project,
) -> None:
    """Every query takes a snapshot; at a wrong moment the build would wait for its transaction."""
    project.write(INDEX)
    project.succeed("up", "1")
    with writing(project, "a"):
        builder = project.start("up")
        wait_for(project, BUILDING)
        time.sleep(1.5)  # the watcher has looked
        [(is_quiet,)] = project.query(
            "SELECT holder.state_change < builder.query_start"
            "  FROM pg_stat_activity AS holder, pg_stat_activity AS builder"
            " WHERE holder.application_name = builder.application_name || ' (lock)'"
            "   AND builder.datname = current_database()"
        )

    assert is_quiet
    assert end_of([builder])[0][0] == 0
