"""A migration that must wait holds nobody up, says for whom it waits, and tries again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.embedded import EmbeddedServer, embedded_bindir
from tests.whole.projects import Project, holding, wait_for
from tests.whole.servers import free_port
from tests.wire import Wire

if TYPE_CHECKING:
    import subprocess

    from tests.whole.trees import Tree

ADD_COLUMN = "ALTER TABLE t ADD COLUMN n int;"
NO_TRANSACTION = "-- migrate: no-transaction\n"
WAITING = """
    SELECT pid FROM pg_stat_activity
     WHERE wait_event_type = 'Lock' AND application_name LIKE 'catalog-migrate%'
       AND datname = current_database()
"""


@pytest.fixture
def table(project: Project) -> Project:
    """A project whose database has a table that other sessions use."""
    project.query("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    return project


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    return process.communicate(timeout=60)


def seconds_to_read(project: Project) -> float:
    began = time.monotonic()
    project.query("SELECT * FROM t")
    return time.monotonic() - began


# --- Line 7: locks


@pytest.mark.parametrize("head", ["", pytest.param(NO_TRANSACTION, marks=pytest.mark.slow)])
def test_readers_are_held_up_for_two_seconds_at_most(table: Project, head: str) -> None:
    table.write({"1_n.up.sql": head + ADD_COLUMN})
    with holding(table, "SELECT 'first line'\n, id FROM t", application="the holder") as pid:
        process = table.start("up")
        wait_for(table, WAITING)
        with ThreadPoolExecutor() as readers:
            held_up = list(readers.map(seconds_to_read, [table] * 3))
        # Its next tries are no longer, and the reader still gets through.
        wait_for(table, WAITING)
        held_up.append(seconds_to_read(table))

    out, err = ended(process)

    assert (process.returncode, err) == (0, "")
    assert max(held_up) < 3.5
    told = re.search(
        rf"  1_n: canceling statement due to lock timeout \(process {pid} \(the holder\), idle in"
        r" transaction in a transaction of \d\.0 s: SELECT 'first line'; (\d) waiting behind it\);"
        r" rolled back, trying again\n",
        out,
    )
    assert told
    assert int(told[1]) >= 1
    assert table.applied == ["1_n"]


def test_a_role_that_may_not_see_what_others_do_is_told_so(table: Project) -> None:
    [(role,)] = table.query("SELECT 'role_of_' || current_database()")
    table.query(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}")
    table.query(f"ALTER TABLE t OWNER TO {role}")
    table.write({"1_n.up.sql": f"-- migrate: lock_timeout=1500ms\n{ADD_COLUMN}"})
    with holding(table, "SELECT 1 FROM t", application="the holder") as pid:
        failed = table.fail("up", "--wait", "0", "--database-url", f"{table.database} user={role}")

    table.query(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}")
    table.query(f"DROP ROLE {role}")
    assert (
        f"It waited for process {pid} (the holder); what it does, only members of pg_read_all_stats"
        " may see"
    ) in failed.err


def test_what_ran_before_the_wait_is_rolled_back_and_done_once(table: Project) -> None:
    table.write(
        {
            "1_n.up.sql": "-- migrate: lock_timeout=300ms\nCREATE TABLE a (id int);\n"
            f"INSERT INTO a VALUES (1);\n{ADD_COLUMN}"
        }
    )
    with holding(table, "SELECT 1 FROM t"):
        process = table.start("up")
        assert process.stdout is not None
        while "trying again" not in process.stdout.readline():
            assert process.poll() is None
        assert table.tables == ["t"]

    _, err = ended(process)

    assert (process.returncode, err) == (0, "")
    assert table.query("SELECT count(*) FROM a") == [(1,)]


def test_it_gives_up_in_the_end_and_names_who_was_in_the_way(table: Project) -> None:
    head = "-- migrate: lock_timeout=400ms"
    table.write({"1_n.up.sql": f"{head}\nSELECT 1;\n{ADD_COLUMN}"})
    with holding(table, "SELECT 1 FROM t") as pid:
        began = time.monotonic()
        failed = table.fail("up", "--wait", "1.5")
        took = time.monotonic() - began

    assert 1 < took < 6
    assert "trying again" in failed.out
    assert failed.err.startswith("1_n.up.sql:3:1: canceling statement due to lock timeout")
    assert f"It waited for process {pid} (holder), idle in transaction" in failed.err
    assert "nothing of it remains" in failed.err
    assert table.applied == []


def test_the_head_of_a_file_may_set_a_shorter_lock_timeout(table: Project) -> None:
    say = "DO $$ BEGIN RAISE NOTICE 'limit %', current_setting('lock_timeout'); END $$;"
    table.write({"1_n.up.sql": f"-- migrate: lock_timeout=200ms\n{say}\n{ADD_COLUMN}"})
    with holding(table, "SELECT 1 FROM t") as pid:
        failed = table.fail("up", "--wait", "0")

    assert "notice: limit 200ms" in failed.out
    assert "canceling statement due to lock timeout" in failed.err
    assert f"It waited for process {pid} (holder)" in failed.err


@pytest.mark.slow
def test_the_head_of_a_file_may_set_a_longer_lock_timeout(table: Project) -> None:
    table.write({"1_n.up.sql": f"-- migrate: lock_timeout=1min\n{ADD_COLUMN}"})
    with holding(table, "SELECT 1 FROM t"):
        process = table.start("up")
        wait_for(table, WAITING)
        time.sleep(2.5)

    out, _ = ended(process)

    assert process.returncode == 0
    assert "trying again" not in out


@pytest.mark.parametrize("head", ["", pytest.param("no-transaction, ", marks=pytest.mark.slow)])
def test_the_head_of_a_file_may_set_a_statement_timeout(project: Project, head: str) -> None:
    project.write(
        {
            "1_a.up.sql": f"-- migrate: {head}statement_timeout=200ms\nSELECT pg_sleep(9);",
            "2_b.up.sql": "SELECT pg_sleep(0.3);",
        }
    )

    failed = project.fail("up")

    assert failed.err.startswith("1_a.up.sql:2:1: canceling statement due to statement timeout")
    project.write({"1_a.up.sql": f"-- migrate: {head}statement_timeout=200ms\nSELECT 1;"})
    project.succeed("up")


def test_what_is_done_of_a_script_without_a_transaction_is_not_tried_again(table: Project) -> None:
    table.write(
        {
            "1_n.up.sql": "-- migrate: no-transaction lock_timeout=300ms\n"
            f"CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\n{ADD_COLUMN}"
        }
    )
    with holding(table, "SELECT 1 FROM t") as pid:
        failed = table.fail("up")

    assert failed.err.startswith("1_n.up.sql:4:1: canceling statement due to lock timeout")
    assert f"It waited for process {pid} (holder)" in failed.err
    table.succeed("up")
    assert table.query("SELECT count(*) FROM a") == [(1,)]
    assert table.applied == ["1_n"]


@pytest.mark.slow
def test_a_deadlock_is_resolved_by_trying_again(table: Project) -> None:
    table.query("CREATE TABLE u (id int)")
    # Who waits looks for a deadlock once, after this time: the migration after the other one joins
    # in, and the other one never.
    name = conninfo_to_dict(table.database)["dbname"]
    table.query(f"ALTER DATABASE {name} SET deadlock_timeout = '5s'")
    head = "-- migrate: lock_timeout=60s\n"
    table.write({"1_n.up.sql": f"{head}LOCK TABLE u;\nCREATE TABLE a ();\n{ADD_COLUMN}"})
    with psycopg.connect(table.database) as other:
        other.execute("SET deadlock_timeout = '10min'")
        other.execute("LOCK TABLE t")
        process = table.start("up")
        wait_for(table, WAITING)
        other.execute("SELECT FROM u")
        other.commit()

    out, err = ended(process)

    assert (process.returncode, err) == (0, "")
    assert "1_n: deadlock detected" in out
    assert "rolled back, trying again" in out
    assert (table.tables, table.applied) == (["a", "t", "u"], ["1_n"])


@pytest.mark.slow
def test_a_serialization_failure_is_tried_again(table: Project) -> None:
    name = conninfo_to_dict(table.database)["dbname"]
    table.query(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    table.write({"1_n.up.sql": "SELECT pg_sleep(0.7);\nUPDATE t SET id = id + 1;"})
    process = table.start("up")
    wait_for(
        table,
        "SELECT 1 FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()",
    )
    table.query("UPDATE t SET id = id + 10")

    out, err = ended(process)

    assert (process.returncode, err) == (0, "")
    assert "1_n: could not serialize access due to concurrent update; rolled back" in out
    assert table.query("SELECT id FROM t") == [(12,)]


def test_what_will_not_get_better_is_not_tried_again(project: Project) -> None:
    project.write({"1_a.up.sql": "SELECT 1/0;"})
    began = time.monotonic()

    failed = project.fail("up")

    assert time.monotonic() - began < 5
    assert "trying again" not in failed.out


# --- Line 8: the server


@pytest.mark.parametrize("command", ["up", pytest.param("status", marks=pytest.mark.slow)])
def test_a_server_that_is_not_there_yet_is_waited_for(project: Project, command: str) -> None:
    project.write({"1_a.up.sql": "CREATE TABLE a ();"})
    wire = Wire(project.database)
    process = project.start(command, env={"DATABASE_URL": wire.conninfo})
    assert process.stdout is not None
    said = ""
    while "waiting for" not in said:
        said = process.stdout.readline()
        assert said
    assert re.fullmatch(
        r'  waiting for database "\w+" on \S+: .*No such file or directory.*\n', said
    )

    with wire:
        out, err = ended(process)

    assert (process.returncode, err) == (0, "")
    assert "waiting for" not in out
    assert project.applied == (["1_a"] if command == "up" else [])


def is_open(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.slow
def test_a_server_that_restarts_is_waited_for(tree: Tree, tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="catalog-restart-"))
    home.chmod(0o755)
    port = free_port()
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "fsync": "off"}
    bindir = embedded_bindir()
    try:
        with EmbeddedServer(home, bindir=bindir, settings=settings) as server:
            url = make_conninfo("", host="127.0.0.1", port=port, user="postgres", dbname="postgres")
            project = Project(tree, url, tmp_path)
            project.write({"1_a.up.sql": "CREATE TABLE a ();"})
            pid = int((server.data / "postmaster.pid").read_text().split()[0])
            with psycopg.connect(server.conninfo, port=port):
                # A smart shutdown: it waits for this session, and takes no new ones.
                os.kill(pid, signal.SIGTERM)
                while is_open(url):
                    time.sleep(0.05)
                process = project.start("up")
                assert process.stdout is not None
                first, second = process.stdout.readline(), process.stdout.readline()
                assert "the database system is shutting down" in first + second
            while (server.data / "postmaster.pid").exists():
                time.sleep(0.05)
        assert process.poll() is None
        with EmbeddedServer(home, bindir=bindir, settings=settings):
            out, err = ended(process)
            assert (process.returncode, err) == (0, "")
            assert "waiting for" not in out
            assert project.applied == ["1_a"]
    finally:
        shutil.rmtree(home, ignore_errors=True)
