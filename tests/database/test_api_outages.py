"""How the service reads, and what it answers while Postgres is away, restarts or kills."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT
from tests.serving import insert, served
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


# --- Reading


def test_a_request_is_one_round_trip_and_leaves_no_transaction(catalog_database: str) -> None:
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        for _ in range(10):  # a query that is used often is prepared, with a trip of its own, once
            client.get("/authors")
            client.get("/books/1")
        wire.answers.clear()

        client.get("/authors")
        assert wire.answers == ["I"]
        client.get("/books/7")
        assert wire.answers == ["I", "I"]


def test_the_first_requests_are_hardly_dearer(catalog_database: str) -> None:
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        client.get("/authors")
        wire.answers.clear()

        for _ in range(20):
            client.get("/books/1")

    assert wire.answers == ["I"] * 20


@pytest.mark.parametrize("path", ["/", "/books/2147483648", "/books/abc", "/nothing"])
def test_what_needs_no_query_makes_none(catalog_database: str, path: str) -> None:
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        client.get("/authors")
        wire.answers.clear()

        client.get(path)

    assert wire.answers == []


def test_many_requests_at_once_share_ten_connections(catalog_database: str) -> None:
    with served(catalog_database) as client:
        with locked(catalog_database), ThreadPoolExecutor(30) as threads:
            waiting = [threads.submit(client.get, "/authors") for _ in range(30)]
            wait_until(lambda: len(backends(catalog_database)) == 10)
            time.sleep(0.2)
            assert len(backends(catalog_database)) == 10
            unlock(catalog_database)

        assert [answer.result().status_code for answer in waiting] == [200] * 30
        assert {state for _, state in backends(catalog_database)} == {"idle"}


def test_the_connections_bear_the_services_name_unless_they_have_one(
    catalog_database: str,
) -> None:
    with served(catalog_database) as client:
        client.get("/authors")
        assert len(backends(catalog_database)) == 1
    with served(make_conninfo(catalog_database, application_name="mine")) as client:
        client.get("/authors")
        assert backends(catalog_database) == []
        assert len(backends(catalog_database, "mine")) == 1


def test_nothing_is_connected_after_it(catalog_database: str) -> None:
    with served(catalog_database) as client:
        client.get("/authors")

    wait_until(lambda: not backends(catalog_database))


# --- Killed connections


def test_no_request_fails_after_all_connections_were_killed(catalog_database: str) -> None:
    with served(catalog_database) as client:
        fill_the_pool(client, catalog_database)
        assert terminate(catalog_database) == 10

        started = time.monotonic()
        statuses = [client.get("/authors").status_code for _ in range(30)]

        assert statuses == [200] * 30
        assert time.monotonic() - started < 3


def test_no_request_of_many_fails_after_all_connections_were_killed(
    catalog_database: str,
) -> None:
    with served(catalog_database) as client:
        fill_the_pool(client, catalog_database)
        terminate(catalog_database)

        assert at_once(client, 30) == [200] * 30


def test_a_read_whose_connection_is_killed_is_repeated(catalog_database: str) -> None:
    with served(catalog_database) as client:
        with locked(catalog_database), ThreadPoolExecutor() as threads:
            waiting = threads.submit(client.get, "/authors")
            # Asked before the first connection is there, the pool opens a second one.
            wait_until(lambda: "active" in {state for _, state in backends(catalog_database)})
            assert terminate(catalog_database) >= 1
            wait_until(lambda: "active" in {state for _, state in backends(catalog_database)})
            assert not waiting.done()
            unlock(catalog_database)

        assert waiting.result().status_code == 200


# --- Refusals that pass


@pytest.mark.few(3)
@pytest.mark.parametrize("state", ["40001", "53200", "55P03"])
@pytest.mark.parametrize("path", ["/books/1", "/books/1?limit=1"])
def test_what_the_server_refuses_for_the_moment_is_asked_for_again(
    catalog_database: str, path: str, state: str
) -> None:
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE trouble ()",
            f"""
            CREATE FUNCTION look() RETURNS integer LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM pg_tables WHERE tablename = 'trouble') THEN
                    RAISE EXCEPTION 'not now' USING ERRCODE = '{state}';
                END IF;
                RETURN 1;
            END $$
            """,
            'ALTER TABLE "Books" RENAME TO "RealBooks"',
            'CREATE VIEW "Books" AS SELECT * FROM "RealBooks" WHERE "authorId" = look()',
        ):
            connection.execute(statement.encode())
        insert(catalog_database, "Authors", {"name": "A"})
        insert(catalog_database, "RealBooks", {"title": "B", "authorId": 1})
        with served(catalog_database) as client, ThreadPoolExecutor() as threads:
            waiting = threads.submit(client.get, path)
            time.sleep(0.3)
            connection.execute("DROP TABLE trouble")
            assert waiting.result().status_code == 200


# --- Servers that come and go


class Server:
    """A server to start and stop, always at the same address."""

    def __init__(self, home: Path) -> None:
        self._server = EmbeddedServer(
            home, bindir=embedded_bindir(), settings={"fsync": "off", "full_page_writes": "off"}
        )
        self._running = ExitStack()
        self._link = home / ".s.PGSQL.5432"
        self.conninfo = f"host={home} user=postgres dbname=catalog password=secret"

    def start(self) -> None:
        self._running.enter_context(self._server)
        socket_folder = psycopg.conninfo.conninfo_to_dict(self._server.conninfo)["host"]
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(Path(str(socket_folder)) / self._link.name)

    def stop(self) -> None:
        self._running.close()

    @property
    def pid(self) -> int:
        """Of its first process."""
        return postmaster_of(self._server)

    def migrate(self) -> None:
        """Make its database, with all tables."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                connection.execute(script.read_bytes())


def postmaster_of(server: EmbeddedServer) -> int:
    """The process of that server that starts the others."""
    return int((server.data / "postmaster.pid").read_text().split()[0])


@contextmanager
def new_home() -> Iterator[Path]:
    """A folder for a server, that is gone afterwards."""
    # Not below tmp_path, which only its owner may enter: as root the server is somebody else.
    with tempfile.TemporaryDirectory(prefix="catalog-tests-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def own_server(*, owner: str | None = None) -> Iterator[Server]:
    """A server that runs, migrated, in a folder of its own; `owner` is who that belongs to."""
    with new_home() as home:
        if owner is not None:
            shutil.chown(home, owner)
        server = Server(home)
        server.start()
        try:
            server.migrate()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """A server that does not run yet, with the tables in it."""
    server = Server(home)
    server.start()
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        for table in ("Authors", "Books"):
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{table}" (id int, name text, bio text, title text, '
                '"authorId" int, "createdAt" timestamptz, "updatedAt" timestamptz)'.encode()
            )
    server.stop()
    yield server
    server.stop()


@pytest.mark.slow
def test_it_starts_without_the_database_and_serves_soon_after_its_return(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with served(server.conninfo) as client:
        assert client.get("/").status_code == 200
        assert client.get("/books/9999999999").content == b"[]"
        assert client.get("/books/abc").status_code == 400
        with ThreadPoolExecutor() as threads:
            for answer in threads.map(client.get, ["/authors", "/books/1"]):
                assert_unavailable(answer)
        assert "No such file or directory" in caplog.text
        assert "secret" not in caplog.text

        server.start()
        returned = time.monotonic()
        assert client.get("/authors").content == b"[]"
        assert time.monotonic() - returned < 2.5


def test_no_request_fails_after_a_restart(server: Server) -> None:
    server.start()
    with served(server.conninfo) as client:
        assert at_once(client, 20) == [200] * 20
        server.stop()
        server.start()
        assert at_once(client, 20) == [200] * 20


@pytest.mark.slow
def test_requests_that_meet_a_short_restart_wait_for_its_end(server: Server) -> None:
    server.start()
    statuses: list[int] = []
    over = threading.Event()

    with served(server.conninfo) as client:

        def go_on_asking() -> None:
            while not over.is_set():
                statuses.append(client.get("/authors").status_code)

        with ThreadPoolExecutor(8) as threads:
            asking = [threads.submit(go_on_asking) for _ in range(8)]
            time.sleep(0.3)
            server.stop()
            time.sleep(0.5)
            server.start()
            time.sleep(1)
            over.set()
            for one in asking:
                one.result()

    assert set(statuses) == {200}


def test_an_outage_is_answered_with_503_and_its_end_is_noticed(server: Server) -> None:
    server.start()
    with served(server.conninfo) as client:
        assert at_once(client, 20) == [200] * 20
        server.stop()
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(client.get, ["/authors"] * 20))
        for answer in answers:
            assert_unavailable(answer)

        server.start()
        returned = time.monotonic()
        assert at_once(client, 20) == [200] * 20
        assert time.monotonic() - returned < 2.5


@pytest.mark.slow
def test_a_database_that_is_not_there_is_told_the_log_alone(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    conninfo = make_conninfo(catalog_database, dbname="no_such_database", password="secret")
    with served(conninfo) as client:
        answer = client.get("/authors")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "no_such_database" not in answer.text
    assert 'database "no_such_database" does not exist' in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.slow
def test_a_server_that_falls_silent_is_not_waited_for_for_ever(catalog_database: str) -> None:
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        assert client.get("/authors").status_code == 200
        wire.fall_silent()

        answer = client.get("/authors")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/authors", "/authors/1"])
def test_a_table_that_stays_locked_is_not_waited_for_for_ever(
    catalog_database: str, path: str
) -> None:
    with served(catalog_database) as client:
        with locked(catalog_database):
            began = time.monotonic()
            answer = client.get(path)
            assert time.monotonic() - began < 5.5
            wait_until(lambda: {state for _, state in backends(catalog_database)} == {"idle"})
        after = client.get("/authors")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    # The query was cancelled by then, and does not queue for the lock.
    assert after.status_code == 200


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The database does not answer at the moment.",
    }


def at_once(client: httpx.Client, requests: int) -> list[int]:
    with ThreadPoolExecutor(requests) as threads:
        return [answer.status_code for answer in threads.map(client.get, ["/authors"] * requests)]


def fill_the_pool(client: httpx.Client, conninfo: str) -> None:
    """Let ten queries wait, none of which is shared, so that the pool grows to its full size."""
    with locked(conninfo), ThreadPoolExecutor(10) as threads:
        for _ in range(10):
            threads.submit(client.get, "/authors/1")
        wait_until(lambda: len(backends(conninfo)) == 10)
        unlock(conninfo)


@contextmanager
def locked(conninfo: str) -> Iterator[None]:
    """Hold up everybody who reads the authors, until `unlock` or the end of the block."""
    with psycopg.connect(conninfo, application_name="lock") as connection:
        connection.execute('LOCK TABLE "Authors"')
        yield
        connection.close()


def unlock(conninfo: str) -> None:
    assert terminate(conninfo, "lock") == 1


def terminate(conninfo: str, application: str = "catalog") -> int:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            [application],
        ).rowcount


def backends(conninfo: str, application: str = "catalog") -> list[tuple[int, str]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "SELECT pid, state FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            [application],
        ).fetchall()


def wait_until(condition: object, seconds: float = 5) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
