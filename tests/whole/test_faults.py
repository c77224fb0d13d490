"""Runs that break off at any moment: nothing is left half done, and nothing is done twice.

Whatever happened, the next `up` needs no help, and ends where an undisturbed run ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.embedded import EmbeddedServer, embedded_bindir
from tests.whole.histories import HISTORY, NAMES, State, dice_of, invalid_indexes, state_of
from tests.whole.projects import Project, wait_for
from tests.whole.proxy import Proxy, Trip
from tests.whole.servers import free_port

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.whole.trees import Tree

DELAY = 0.01  # seconds for each message: makes a run long enough to break it off somewhere
COMMANDS = [["up"], ["down", "--all"]]
AT_WORK = """
    SELECT 1 FROM pg_stat_activity
     WHERE wait_event = 'PgSleep' AND datname = current_database()
"""
ACTIVE = """
    SELECT 1 FROM pg_stat_activity
     WHERE state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()
"""
OTHERS = """
    SELECT 1 FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend'
"""
RECORD = re.compile(r'(INSERT INTO|DELETE FROM) "public"."schema_migrations"\s')
NOBODY_ELSE = f"SELECT 1 WHERE NOT EXISTS ({OTHERS})"


def moments(few: int, many: int) -> pytest.MarkDecorator:
    """So many random moments in a quick run, and so many with --all."""
    more = [pytest.param(n, marks=pytest.mark.slow) for n in range(few, many)]
    return pytest.mark.parametrize("moment", [*range(few), *more])


@dataclass(frozen=True)
class Undisturbed:
    """What runs come to, and how long they take, when nothing happens to them."""

    state: State
    seconds: dict[str, float]
    """By command, from the first connection to the end."""
    trips: dict[str, int]


@pytest.fixture(scope="module")
def undisturbed(
    tree: Tree, embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    name = f"undisturbed_{os.getpid()}"
    conninfo = make_conninfo(embedded_server.conninfo, dbname=name)
    project = Project(tree, conninfo, tmp_path_factory.mktemp("undisturbed"))
    project.write(HISTORY)
    seconds, trips = {}, {}
    with psycopg.connect(embedded_server.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for command in (*COMMANDS, ["up"]):
            with Proxy(conninfo, delay=DELAY) as proxy:
                process = replace(project, database=proxy.conninfo).start(*command)
                began = first_connection(proxy)
                process.communicate()
                assert process.returncode == 0
                seconds[command[0]] = time.monotonic() - began
            trips[command[0]] = len(proxy.trips)
        state = state_of(project)
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(drop)
    assert (state.applied, state.people, state.invalid) == (NAMES, ["Ada", "Grace"], [])
    return Undisturbed(state, seconds, trips)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    return dice_of(request)


@pytest.fixture
def history(project: Project) -> Project:
    """The project with the history in its folder."""
    project.write(HISTORY)
    return project


def first_connection(proxy: Proxy) -> float:
    """Wait for it, and tell when it came."""
    deadline = time.monotonic() + 30
    while not proxy.connections:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return time.monotonic()


def prepare(project: Project, command: list[str]) -> None:
    """Bring the database to where the command has something to do."""
    if command != ["up"]:
        project.succeed("up")


def assert_up_mends(project: Project, undisturbed: Undisturbed) -> None:
    done = project.migrate("up")
    assert (done.code, done.err) == (0, "")
    assert state_of(project) == undisturbed.state


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """How it ended: exit status, output, errors."""
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def start_sleeping(project: Project, *command: str) -> subprocess.Popen[str]:
    """Start a command, and wait until its statement sleeps in the server."""
    process = project.start(*command)
    wait_for(project, AT_WORK)
    return process


# --- kill -9 of the runner


@pytest.mark.few(4)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@moments(few=5, many=50)
def test_a_runner_killed_at_a_random_moment_leaves_nothing_to_mend(
    history: Project,
    undisturbed: Undisturbed,
    dice: random.Random,
    command: list[str],
    moment: int,
) -> None:
    prepare(history, command)
    with Proxy(history.database, delay=DELAY) as proxy:
        process = replace(history, database=proxy.conninfo).start(*command)
        first_connection(proxy)
        time.sleep(dice.uniform(0, undisturbed.seconds[command[0]]))
        process.kill()

        assert_up_mends(history, undisturbed)
        process.communicate()


@pytest.mark.parametrize(
    "header",
    ["", pytest.param("-- migrate: no-transaction\n", marks=pytest.mark.slow)],
    ids=["whole", "in steps"],
)
@pytest.mark.parametrize("direction", ["up", pytest.param("down", marks=pytest.mark.slow)])
def test_what_a_killed_runner_left_running_for_seconds_is_waited_for(
    project: Project, header: str, direction: str
) -> None:
    insert = f"{header}INSERT INTO a SELECT 1 FROM pg_sleep(5);"
    delete = f"{header}DELETE FROM a WHERE id = 1 AND pg_sleep(5) IS NOT NULL;"
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_one.up.sql": insert if direction == "up" else "INSERT INTO a VALUES (1);",
            "0002_one.down.sql": delete,
            "0003_two.up.sql": "INSERT INTO a VALUES (2);",
            "0003_two.down.sql": "DELETE FROM a WHERE id = 2;",
        }
    )
    if direction == "down":
        project.succeed("up")
    killed = start_sleeping(project, *(["up"] if direction == "up" else ["down", "2"]))
    killed.kill()
    killed.communicate()

    done = project.succeed("up")

    assert "waiting for what an earlier run left: process" in done.out
    assert project.applied == ["0001_a", "0002_one", "0003_two"]
    assert project.query("SELECT id FROM a ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize("orphan", ["finishes", pytest.param("is ended", marks=pytest.mark.slow)])
def test_an_index_that_a_killed_runner_left_in_the_making_ends_valid(
    project: Project, orphan: str
) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_i.up.sql": "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    project.succeed("up", "1")
    with psycopg.connect(project.database) as writer:
        writer.execute("INSERT INTO a VALUES (1)")
        killed = project.start("up")
        building = "FROM pg_stat_progress_create_index WHERE datname = current_database()"
        wait_for(project, f"SELECT 1 {building} AND phase LIKE 'waiting for writers%'")
        killed.kill()
        killed.communicate()
        following = project.start("up")
        assert following.stdout
        waits = "waiting for what is left of an earlier run to end (catalog-migrate-"
        assert any(waits in line for line in iter(following.stdout.readline, ""))
        if orphan == "is ended":
            project.query(f"SELECT pg_terminate_backend(pid) {building}")
            time.sleep(1)
        writer.commit()

        code, out, err = end_of(following)

    assert (code, err) == (0, "")
    assert ("removed the invalid index public.i" in out) == (orphan == "is ended")
    assert invalid_indexes(project) == []
    assert project.query("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass") == [(1,)]
    assert project.applied == ["0001_a", "0002_i"]


@pytest.mark.slow
def test_a_run_killed_while_it_clears_up_after_another_is_waited_for_too(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1);",
            "0002_i.up.sql": "-- migrate: no-transaction\n"
            "CREATE UNIQUE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    project.fail("up")
    project.query("DELETE FROM a WHERE ctid = '(0,1)'")
    dropping = f"{ACTIVE} AND query LIKE 'DROP INDEX%'"
    with psycopg.connect(project.database) as writer:
        writer.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
        killed = project.start("up")
        wait_for(project, dropping)
        killed.kill()
        killed.communicate()
        following = project.start("up")
        time.sleep(1)
        writer.commit()

        code, _, err = end_of(following)

    assert (code, err) == (0, "")
    assert invalid_indexes(project) == []
    assert project.query("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass") == [(1,)]
    assert project.applied == ["0001_a", "0002_i"]


@pytest.mark.slow
def test_an_orphan_is_known_whatever_its_script_calls_it(project: Project) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_i.up.sql": "-- migrate: no-transaction\nSET application_name = 'mine';\n"
            "CREATE INDEX CONCURRENTLY i ON a (id);",
        }
    )
    project.succeed("up", "1")
    with psycopg.connect(project.database) as writer:
        writer.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
        killed = project.start("up")
        wait_for(project, f"{ACTIVE} AND query LIKE 'CREATE INDEX%'")
        killed.kill()
        killed.communicate()
        following = project.start("up")
        time.sleep(1.5)
        writer.commit()

        code, out, err = end_of(following)

    assert (code, err) == (0, "")
    assert "waiting for what is left of an earlier run to end" in out
    assert invalid_indexes(project) == []
    assert project.applied == ["0001_a", "0002_i"]


# --- pg_terminate_backend


@pytest.mark.few(1)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@moments(few=1, many=10)
def test_a_backend_ended_at_a_random_moment_leaves_nothing_to_mend(
    history: Project,
    undisturbed: Undisturbed,
    dice: random.Random,
    command: list[str],
    moment: int,
) -> None:
    prepare(history, command)
    victims = dice.choice(["%", "%(lock)", "%________"])
    with Proxy(history.database, delay=DELAY) as proxy:
        process = replace(history, database=proxy.conninfo).start(*command)
        first_connection(proxy)
        time.sleep(dice.uniform(0, undisturbed.seconds[command[0]]))
        history.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE application_name LIKE 'catalog-migrate-{victims}'"
            " AND datname = current_database()"
        )

        code, _, err = end_of(process)

        assert code in (0, 1)
        assert bool(err) == bool(code)
        assert_up_mends(history, undisturbed)


# --- A cut network


@pytest.mark.few(2)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("where", ["on the way there", "on the way back"])
@moments(few=1, many=28)
def test_a_network_cut_at_any_message_leaves_nothing_to_mend(
    history: Project,
    undisturbed: Undisturbed,
    dice: random.Random,
    command: list[str],
    where: str,
    moment: int,
    pytestconfig: pytest.Config,
) -> None:
    prepare(history, command)
    trips = undisturbed.trips[command[0]]
    number = moment + 1 if pytestconfig.getoption("--all") else dice.randint(1, trips)

    def is_it(trip: Trip) -> bool:
        return trip.number == number

    cuts = {"cut_before" if where == "on the way there" else "cut_answer": is_it}
    with Proxy(history.database, **cuts) as proxy:  # type: ignore[arg-type]
        code, _, err = end_of(replace(history, database=proxy.conninfo).start(*command))

        assert proxy.cut.is_set() or number > len(proxy.trips)
        assert code in (0, 1)
        assert bool(err) == bool(code)
        assert_up_mends(history, undisturbed)


@pytest.mark.parametrize(
    "away",
    [0.0, pytest.param(1.0, marks=pytest.mark.slow)],
    ids=["for a moment", "for a second"],
)
@pytest.mark.parametrize(
    "command", [["up"], pytest.param(["down", "--all"], marks=pytest.mark.slow)], ids=" ".join
)
@pytest.mark.parametrize(
    "name",
    [
        name
        if name in ("0002_add_ada", "0004_index_people")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in NAMES
    ],
)
def test_a_lost_answer_to_a_commit_is_found_out_by_the_same_run(
    history: Project, undisturbed: Undisturbed, command: list[str], name: str, away: float
) -> None:
    prepare(history, command)

    def is_it(trip: Trip) -> bool:
        return f"'{name}'" in trip.text and bool(RECORD.search(trip.text))

    with Proxy(history.database, cut_answer=is_it, away=away) as proxy:
        code, out, err = end_of(replace(history, database=proxy.conninfo).start(*command))

    assert proxy.cut.is_set()
    assert (code, err) == (0, "")
    assert len(re.findall(rf"^  (?:applied|reverted) +{name} +\S+ m?s$", out, re.MULTILINE)) == 1
    assert history.applied == (NAMES if command == ["up"] else [])
    assert_up_mends(history, undisturbed)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["0002_add_ada", "0005_add_moods"])
def test_a_message_that_never_arrived_is_said_to_have_done_nothing(
    history: Project, undisturbed: Undisturbed, name: str
) -> None:
    def is_it(trip: Trip) -> bool:
        return f"'{name}'" in trip.text and bool(RECORD.search(trip.text))

    with Proxy(history.database, cut_before=is_it) as proxy:
        code, _, err = end_of(replace(history, database=proxy.conninfo).start("up"))

    before = NAMES[: NAMES.index(name)]
    assert code in (0, 1)
    if code:
        assert history.applied == before
        assert f"the database is at {before[-1]}" in err.replace("The", "the")
    assert_up_mends(history, undisturbed)


# --- kill -9 of the server


@dataclass(frozen=True)
class OwnServer:
    """A server to be killed: it comes back at the same address, with the same data."""

    home: Path
    port: int

    @property
    def address(self) -> str:
        return make_conninfo(host="127.0.0.1", port=self.port, user="postgres")

    def running(self) -> EmbeddedServer:
        """To be entered: starts it, or joins the one that runs."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # Only a crash of the machine would lose what was not written out.
            "fsync": "off",
        }
        return EmbeddedServer(self.home, bindir=embedded_bindir(), settings=settings)


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnServer]:
    home = Path(tempfile.mkdtemp(prefix="catalog-server-"))
    home.chmod(0o755)
    own = OwnServer(home, free_port())
    with own.running():
        yield own
    shutil.rmtree(home)


@pytest.fixture
def on_own_server(own_server: OwnServer, tree: Tree, tmp_path: Path) -> Project:
    """The project with the history, on a server that no other test uses meanwhile."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(own_server.address, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    project = Project(tree, make_conninfo(own_server.address, dbname=name), tmp_path)
    project.write(HISTORY)
    return project


def kill_server(server: EmbeddedServer) -> None:
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    while process_state(pid) not in ("", "Z"):
        time.sleep(0.01)


def process_state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


@pytest.mark.few(1)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@moments(few=1, many=8)
def test_a_server_killed_at_a_random_moment_comes_back_with_nothing_to_mend(
    on_own_server: Project,
    own_server: OwnServer,
    undisturbed: Undisturbed,
    dice: random.Random,
    command: list[str],
    moment: int,
) -> None:
    prepare(on_own_server, command)
    with own_server.running() as server:
        process = on_own_server.start(*command)
        time.sleep(dice.uniform(0.1, 0.6))
        kill_server(server)
        with own_server.running():
            code, _, err = end_of(process)

            assert code in (0, 1)
            assert bool(err) == bool(code)
            assert_up_mends(on_own_server, undisturbed)


@pytest.mark.slow
def test_a_run_waits_for_a_killed_server_to_come_back(
    on_own_server: Project, own_server: OwnServer
) -> None:
    on_own_server.write({"0006_long.up.sql": "SELECT pg_sleep(3);"})
    with own_server.running() as server:
        process = start_sleeping(on_own_server, "up")
        kill_server(server)
        time.sleep(1)
        with own_server.running():
            code, out, err = end_of(process)

            assert "waiting for database" in out
            assert code == 0 or "the database is at 0005_add_moods." in err
            on_own_server.succeed("up")
            assert on_own_server.applied == [*NAMES, "0006_long"]


# --- Ctrl-C and SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_in_a_long_statement_cancels_it_and_says_what_was_applied(
    project: Project, number: signal.Signals
) -> None:
    project.write(
        {
            "0001_a.up.sql": "CREATE TABLE a (id int);",
            "0002_b.up.sql": "CREATE TABLE b (id int); SELECT pg_sleep(30);",
            "0003_c.up.sql": "CREATE TABLE c (id int);",
        }
    )
    process = start_sleeping(project, "up")

    code, out, err = interrupted(process, number)

    assert code == 128 + number
    assert "applied   0001_a" in out
    assert "interrupted in 0002_b.up.sql. It was rolled back: nothing of it remains." in err
    assert "he database is at 0001_a." in err
    wait_for(project, NOBODY_ELSE)
    assert project.tables == ["a"]
    assert project.applied == ["0001_a"]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="SIGINT"),
        pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.slow),
    ],
)
class TestASignal:
    """What Ctrl-C and `kill` come to."""

    def test_in_a_long_down_cancels_it_and_says_what_was_reverted(
        self, project: Project, number: signal.Signals
    ) -> None:
        project.write(
            {
                "0001_a.up.sql": "CREATE TABLE a (id int);",
                "0001_a.down.sql": "DROP TABLE a; SELECT pg_sleep(30);",
                "0002_b.up.sql": "CREATE TABLE b (id int);",
                "0002_b.down.sql": "DROP TABLE b;",
            }
        )
        project.succeed("up")
        process = start_sleeping(project, "down", "--all")

        code, out, err = interrupted(process, number)

        assert code == 128 + number
        assert "reverted  0002_b" in out
        assert "interrupted in 0001_a.down.sql. It was rolled back" in err
        assert "he database is at 0001_a." in err
        wait_for(project, NOBODY_ELSE)
        assert project.tables == ["a"]
        assert project.applied == ["0001_a"]

    @pytest.mark.slow
    def test_in_a_script_without_a_transaction_says_how_many_statements_took_effect(
        self, project: Project, number: signal.Signals
    ) -> None:
        project.write(
            {
                "0001_a.up.sql": "CREATE TABLE a (id int);",
                "0002_i.up.sql": "-- migrate: no-transaction\n"
                "INSERT INTO a VALUES (1);\n"
                "CREATE INDEX CONCURRENTLY i ON a (id);",
            }
        )
        project.succeed("up", "1")
        with psycopg.connect(project.database) as writer:
            writer.execute("LOCK TABLE a IN ROW EXCLUSIVE MODE")
            process = project.start("up")
            wait_for(
                project,
                "SELECT 1 FROM pg_stat_progress_create_index"
                " WHERE phase LIKE 'waiting for writers%' AND datname = current_database()",
            )

            code, _, err = interrupted(process, number)

        assert code == 128 + number
        assert "1 statement of it took effect" in err
        wait_for(project, NOBODY_ELSE)
        done = project.succeed("up")
        assert "goes on after statement 1" in done.out
        assert invalid_indexes(project) == []
        assert project.query("SELECT count(*) FROM a") == [(1,)]

    @pytest.mark.slow
    def test_while_waiting_for_the_lock_ends_the_waiting_only(
        self, project: Project, number: signal.Signals
    ) -> None:
        project.write(
            {
                "0001_a.up.sql": "CREATE TABLE a (id int);",
                "0002_b.up.sql": "SELECT pg_sleep(4);",
            }
        )
        holder = start_sleeping(project, "up")
        waiting = project.start("up", stderr=subprocess.STDOUT)
        assert waiting.stdout
        lines = iter(waiting.stdout.readline, "")
        assert any("waiting for another runner" in line for line in lines)

        began = time.monotonic()
        waiting.send_signal(number)
        rest = waiting.stdout.read()

        assert waiting.wait() == 128 + number
        assert time.monotonic() - began < 3
        assert "interrupted" in rest
        assert "he database is at 0001_a." in rest
        waiting.stdout.close()
        assert end_of(holder)[0] == 0
        assert project.applied == ["0001_a", "0002_b"]

    @pytest.mark.slow
    def test_while_a_table_is_locked_ends_the_waiting_too(
        self, project: Project, number: signal.Signals
    ) -> None:
        project.write({"0001_a.up.sql": "CREATE TABLE a (id int);"})
        project.succeed("up")
        project.write({"0002_b.up.sql": "ALTER TABLE a ADD COLUMN b int;"})
        with psycopg.connect(project.database) as reader:
            reader.execute("SELECT FROM a")
            process = project.start("up")
            # Past the first lock_timeout: between two attempts, or in the second.
            time.sleep(3)

            code, _, err = interrupted(process, number)

        assert code == 128 + number
        assert "The database is at 0001_a." in err
        wait_for(project, NOBODY_ELSE)

    def test_while_the_database_is_away_ends_the_waiting_too(
        self, project: Project, number: signal.Signals
    ) -> None:
        project.write({"0001_a.up.sql": "CREATE TABLE a (id int);"})
        nowhere = replace(project, database=f"host=127.0.0.1 port={free_port()} dbname=x")
        process = nowhere.start("up", stderr=subprocess.STDOUT)
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert any("waiting for" in line for line in lines)

        began = time.monotonic()
        process.send_signal(number)
        rest = process.stdout.read()

        assert process.wait() == 128 + number
        assert time.monotonic() - began < 3
        assert "interrupted" in rest
        process.stdout.close()

    @pytest.mark.few(1)
    @moments(few=3, many=15)
    def test_at_a_random_moment_leaves_what_was_said_and_nothing_running(
        self,
        history: Project,
        undisturbed: Undisturbed,
        dice: random.Random,
        number: signal.Signals,
        moment: int,  # noqa: ARG002
    ) -> None:
        command = dice.choice(COMMANDS)
        prepare(history, command)
        with Proxy(history.database, delay=DELAY) as proxy:
            process = replace(history, database=proxy.conninfo).start(*command)
            first_connection(proxy)
            time.sleep(dice.uniform(0, undisturbed.seconds[command[0]]))

            code, out, err = interrupted(process, number)

            wait_for(history, NOBODY_ELSE)
        applied = history.applied
        if code:
            assert code == 128 + number
            if "he database " in err:
                newest = f"is at {applied[-1]}." if applied else "has no migrations applied."
                assert f"he database {newest}" in err
        for done, name in re.findall(r"^  (applied|reverted) +(\S+)", out, re.MULTILINE):
            assert (name in applied) == (done == "applied")
        assert_up_mends(history, undisturbed)


def interrupted(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    """Send a signal; answers how the process ended, which it has to do soon."""
    began = time.monotonic()
    process.send_signal(number)
    code, out, err = end_of(process)
    assert time.monotonic() - began < 3
    # Python's own goodbye leaves a signal to the system; for a shell it is the same status.
    return 128 - code if code < 0 else code, out, err
