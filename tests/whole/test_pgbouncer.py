"""Through PgBouncer in transaction mode: all holds, and nothing is left behind for others."""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.whole.histories import HISTORY, NAMES, dice_of, invalid_indexes, state_of
from tests.whole.pooler import Pooler, pooler
from tests.whole.projects import Project, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from catalog.embedded import EmbeddedServer

pytestmark = pytest.mark.slow

POOL_SIZE = 8
AT_WORK = """
    SELECT 1 FROM pg_stat_activity
     WHERE wait_event = 'PgSleep' AND datname = current_database()
"""
BUSY = """
    SELECT pid, state, query FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' AND state <> 'idle'
"""
LOCKS = """
    SELECT locktype, classid, objid FROM pg_locks
     WHERE locktype = 'advisory'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Without what every client sets for itself, and what is there once a function has run.
SETTINGS = """
    SELECT name, setting FROM pg_settings
     WHERE name <> 'application_name' AND name NOT LIKE 'plpgsql.%'
    UNION ALL SELECT 'current_user', current_user
    UNION ALL SELECT 'session_user', session_user
    UNION ALL SELECT 'temporary', count(*)::text FROM pg_class WHERE relpersistence = 't'
"""


@dataclass(frozen=True)
class Pooled:
    """A project whose commands go through a pooler, and which is looked at directly."""

    direct: Project
    pooled: Project
    pooler: Pooler

    def assert_nothing_left(self) -> None:
        """No transaction, no lock and no setting is left in a server's connection."""
        wait_for(self.direct, f"SELECT 1 WHERE NOT EXISTS ({BUSY})")
        assert self.direct.query(LOCKS) == []
        servers = self.pooler.show("SERVERS", self.direct.database)
        assert {server["state"] for server in servers} <= {"idle", "used"}
        plain = set(self.direct.query(SETTINGS))
        with ExitStack() as opened:
            # In transactions all at once, so that each has a server connection of its own.
            for _ in range(max(1, len(servers))):
                client = opened.enter_context(psycopg.connect(self.pooled.database))
                settings = client.execute(SETTINGS.encode()).fetchall()
                assert set(settings) - plain == set()


@contextmanager
def through_pooler(project: Project, server: EmbeddedServer, size: int) -> Iterator[Pooled]:
    with pooler(server.conninfo, pool_size=size) as running:
        way = running.to(project.database)
        yield Pooled(project, replace(project, database=way), running)


@pytest.fixture
def pooled(project: Project, embedded_server: EmbeddedServer) -> Iterator[Pooled]:
    with through_pooler(project, embedded_server, POOL_SIZE) as pooled:
        yield pooled


@pytest.fixture
def role(project: Project) -> Iterator[str]:
    """Somebody who is nobody else's: roles are there for all databases."""
    name = f"role_{uuid.uuid4().hex}"
    project.query(f"CREATE ROLE {name}")
    yield name
    project.query(f"DROP ROLE {name}")


def end_of(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    ends = [process.communicate(timeout=90) for process in processes]
    return [(process.wait(), *end) for process, end in zip(processes, ends, strict=True)]


# --- The commands


def test_up_status_redo_and_down_work_and_leave_nothing(pooled: Pooled) -> None:
    pooled.direct.write(HISTORY)

    pooled.pooled.succeed("up")
    state = state_of(pooled.direct)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
    pooled.assert_nothing_left()
    assert "nothing is pending" in pooled.pooled.succeed("status").out
    pooled.pooled.succeed("redo")
    assert state_of(pooled.direct) == state
    pooled.pooled.succeed("down", "--all")
    assert (pooled.direct.applied, pooled.direct.tables) == ([], [])
    pooled.assert_nothing_left()
    pooled.pooled.succeed("up")
    assert state_of(pooled.direct) == state


def test_migrations_may_take_long(pooled: Pooled) -> None:
    """A run is known by its name there, which a script's settings must not cost it."""
    pooled.direct.write(
        {
            "0001_a.up.sql": "SET application_name = 'mine'; CREATE TABLE a (id int);",
            "0002_b.up.sql": "SELECT pg_sleep(5); CREATE TABLE b (id int);",
            "0003_c.up.sql": "-- migrate: no-transaction\nSELECT pg_sleep(4);",
        }
    )

    pooled.pooled.succeed("up")

    assert pooled.direct.applied == ["0001_a", "0002_b", "0003_c"]
    pooled.assert_nothing_left()


# --- Races


def test_sixteen_up_at_once_apply_each_migration_once(pooled: Pooled) -> None:
    pooled.direct.write(HISTORY)

    ends = end_of([pooled.pooled.start("up") for _ in range(16)])

    assert [(code, err) for code, _, err in ends] == [(0, "")] * 16, ends
    state = state_of(pooled.direct)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
    lines = [line.split() for _, out, _ in ends for line in out.splitlines()]
    ours = [line[1] for line in lines if line[:1] == ["applied"] and line[2:4] != ["by", "another"]]
    assert sorted(ours) == NAMES
    pooled.assert_nothing_left()


def test_up_and_down_mixed_end_without_errors_and_consistently(
    pooled: Pooled, request: pytest.FixtureRequest
) -> None:
    pooled.direct.write(HISTORY)
    commands = [["up"], ["down"], ["up", "2"], ["down", "--all"], ["up"], ["down", "2"]] * 2
    dice_of(request).shuffle(commands)

    ends = end_of([pooled.pooled.start(*command) for command in commands])

    assert [(code, err) for code, _, err in ends] == [(0, "")] * len(commands), ends
    applied = pooled.direct.applied
    assert applied == NAMES[: len(applied)]
    pooled.pooled.succeed("up")
    state = state_of(pooled.direct)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
    pooled.assert_nothing_left()


def test_a_waiting_runner_names_the_holder(pooled: Pooled) -> None:
    pooled.direct.write({"0001_a.up.sql": "SELECT pg_sleep(5);"})
    holder = pooled.pooled.start("up")
    wait_for(pooled.direct, AT_WORK)

    refused = pooled.pooled.fail("up", "--wait", "1")

    assert "another runner is at work: process " in refused.err
    assert "(catalog-migrate-" in refused.err
    assert end_of([holder])[0][0] == 0


def test_a_build_is_not_held_up_by_runners_that_wait(pooled: Pooled) -> None:
    pooled.direct.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_i.up.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    pooled.direct.succeed("up", "1")
    with psycopg.connect(pooled.direct.database) as writer:
        writer.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
        runners = [pooled.pooled.start("up") for _ in range(4)]
        wait_for(
            pooled.direct,
            "SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database()",
        )
        time.sleep(2)

    ends = end_of(runners)
    assert [(code, err) for code, _, err in ends] == [(0, "")] * 4, ends
    assert invalid_indexes(pooled.direct) == []
    pooled.assert_nothing_left()


# --- Kills


@pytest.mark.parametrize("command", [["up"], ["down", "--all"]], ids=" ".join)
@pytest.mark.parametrize("moment", range(10))
def test_a_runner_killed_at_a_random_moment_leaves_nothing_to_mend(
    pooled: Pooled, request: pytest.FixtureRequest, command: list[str], moment: int
) -> None:
    pooled.direct.write(HISTORY)
    if command != ["up"]:
        pooled.pooled.succeed("up")
    process = pooled.pooled.start(*command)
    time.sleep(dice_of(request).uniform(0.1, 0.5))
    process.kill()

    pooled.pooled.succeed("up")

    process.communicate()
    state = state_of(pooled.direct)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
    pooled.assert_nothing_left()


@pytest.mark.parametrize("header", ["", "-- migrate: no-transaction\n"], ids=["whole", "in steps"])
def test_what_a_killed_runner_left_running_is_waited_for(pooled: Pooled, header: str) -> None:
    insert = f"{header}INSERT INTO a SELECT 1 FROM pg_sleep(5);"
    pooled.direct.write({"0001_a.up.sql": "CREATE TABLE a (id int);", "0002_b.up.sql": insert})
    killed = pooled.pooled.start("up")
    wait_for(pooled.direct, AT_WORK)
    killed.kill()
    killed.communicate()

    pooled.pooled.succeed("up")

    assert pooled.direct.query("SELECT id FROM a") == [(1,)]
    assert pooled.direct.applied == ["0001_a", "0002_b"]
    pooled.assert_nothing_left()


def test_an_index_in_the_making_is_waited_for(pooled: Pooled) -> None:
    pooled.direct.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_i.up.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    pooled.direct.succeed("up", "1")
    with psycopg.connect(pooled.direct.database) as writer:
        writer.execute("INSERT INTO a VALUES (1)")
        killed = pooled.pooled.start("up")
        wait_for(
            pooled.direct,
            "SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database()",
        )
        killed.kill()
        killed.communicate()
        following = pooled.pooled.start("up")
        time.sleep(2)
        writer.commit()

    [(code, _, err)] = end_of([following])
    assert (code, err) == (0, "")
    assert invalid_indexes(pooled.direct) == []
    assert pooled.direct.query("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass") == [
        (1,)
    ]
    pooled.assert_nothing_left()


def test_ctrl_c_cancels_the_statement(pooled: Pooled) -> None:
    pooled.direct.write({"0001_a.up.sql": "CREATE TABLE a (id int); SELECT pg_sleep(30);"})
    process = pooled.pooled.start("up")
    wait_for(pooled.direct, AT_WORK)

    began = time.monotonic()
    process.send_signal(2)
    [(code, _, err)] = end_of([process])

    assert time.monotonic() - began < 3
    assert code == 130
    assert "It was rolled back" in err
    pooled.assert_nothing_left()
    assert (pooled.direct.applied, pooled.direct.tables) == ([], [])


# --- What a file sets


@pytest.mark.parametrize(
    "settings",
    [
        "SET statement_timeout = '1h';",
        "SET search_path = other;",
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "SET ROLE {role};",
        "SET SESSION AUTHORIZATION {role};",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;",
        "SET TIME ZONE 'Asia/Tokyo'; SET DateStyle = 'German'; SET client_encoding = 'LATIN1';",
        "SET LOCAL search_path = other; SET LOCAL ROLE {role};",
    ],
    ids=lambda text: text.split(";")[0],
)
def test_what_a_file_sets_reaches_neither_the_next_one_nor_anybody_else(
    pooled: Pooled, role: str, settings: str
) -> None:
    settings = settings.format(role=role)
    down = "DROP TABLE public.told;"
    tell = (
        "CREATE TABLE told AS SELECT current_user::text AS who, session_user::text AS whose,"
        " current_schemas(false)::text AS path, current_setting('statement_timeout') AS patience,"
        " current_setting('timezone') AS zone, current_setting('client_encoding') AS encoding;"
    )
    pooled.direct.write(
        {
            "0001_other.up.sql": "CREATE SCHEMA other;",
            "0002_sets.up.sql": f"{settings}\nSELECT 'é';",
            "0003_tell.up.sql": tell,
            "0003_tell.down.sql": f"{down}\n{settings}",
        }
    )

    pooled.pooled.succeed("up")

    [told] = pooled.direct.query("SELECT * FROM told")
    zone = pooled.direct.query("SHOW timezone")[0][0]
    assert told == ("postgres", "postgres", "{public}", "0", zone, "UTF8")
    pooled.assert_nothing_left()
    pooled.pooled.succeed("redo")
    assert pooled.direct.query("SELECT * FROM told") == [told]
    pooled.assert_nothing_left()


def test_what_a_failing_file_sets_reaches_nobody(pooled: Pooled) -> None:
    pooled.direct.write({"0001_a.up.sql": "SET statement_timeout = '1h'; SELECT 1 / 0;"})

    pooled.pooled.fail("up")

    pooled.assert_nothing_left()


@pytest.mark.parametrize(
    "text",
    [
        "-- migrate: no-transaction lock_timeout=5s\nCREATE INDEX CONCURRENTLY i ON a (id);",
        "-- migrate: no-transaction statement_timeout=5s\nCREATE INDEX CONCURRENTLY i ON a (id);",
        "-- migrate: no-transaction\nSET statement_timeout = '1h';\nCREATE TABLE b ();",
    ],
    ids=["lock_timeout", "statement_timeout", "SET"],
)
def test_a_session_setting_in_a_file_without_a_transaction_is_refused(
    pooled: Pooled, text: str
) -> None:
    pooled.direct.write({"0001_a.up.sql": "CREATE TABLE a (id int);", "0002_b.up.sql": text})

    refused = pooled.pooled.fail("up")

    assert "0002_b.up.sql:" in refused.err
    assert "DATABASE_URL_UNPOOLED" in refused.err
    assert pooled.direct.applied == ["0001_a"]
    pooled.assert_nothing_left()
    pooled.direct.succeed("up")


def test_timeouts_of_a_transaction_work(pooled: Pooled) -> None:
    pooled.direct.write({"0001_a.up.sql": "-- migrate: statement_timeout=1s\nSELECT pg_sleep(30);"})

    refused = pooled.pooled.fail("up")

    assert "canceling statement due to statement timeout" in refused.err
    pooled.assert_nothing_left()


# --- A pool of one


@pytest.mark.parametrize("command", [["up"], ["down"]], ids=" ".join)
def test_a_pool_of_one_connection_is_noticed_and_named(
    project: Project, embedded_server: EmbeddedServer, command: list[str]
) -> None:
    project.write({"0001_a.up.sql": "CREATE TABLE a ();", "0001_a.down.sql": "DROP TABLE a;"})
    if command == ["down"]:
        project.succeed("up")
    with through_pooler(project, embedded_server, 1) as pooled:
        began = time.monotonic()
        refused = pooled.pooled.fail(*command)

        assert time.monotonic() - began < 10
        assert "the connection pooler gave one server connection for the lock" in refused.err
        assert "DATABASE_URL_UNPOOLED" in refused.err
        wait_for(project, f"SELECT 1 WHERE NOT EXISTS ({BUSY})")
        # What needs no lock needs one connection only.
        assert pooled.pooled.succeed("status").code == 0
        pooled.assert_nothing_left()


def test_a_pool_of_two_is_enough_also_for_what_takes_long(
    project: Project, embedded_server: EmbeddedServer
) -> None:
    project.write({**HISTORY, "0006_long.up.sql": "SELECT pg_sleep(5);"})
    with through_pooler(project, embedded_server, 2) as pooled:
        began = time.monotonic()
        pooled.pooled.succeed("up")

        assert time.monotonic() - began < 12
        pooled.assert_nothing_left()
    assert project.applied == [*NAMES, "0006_long"]
