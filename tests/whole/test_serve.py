"""`bin/serve` as a user starts and stops it: in a copy of the tree, with a clean environment."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.whole.servers import PASSWORD, free_port, silent_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.whole.servers import Address
    from tests.whole.trees import Tree

AUTHORS = ["J.K. Rowling", "J.R.R. Tolkien", "George R.R. Martin"]


@dataclass
class Service:
    """A `bin/serve` that has said where it serves."""

    process: subprocess.Popen[str]
    url: str
    said: list[str]
    """What it wrote to standard output until then."""

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30)

    def names(self) -> list[str]:
        return [author["name"] for author in self.get("/authors").json()]

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop it, which must end it well and at once, and return its standard error."""
        self.process.send_signal(number)
        said, complained = self.process.communicate(timeout=15)
        assert (self.process.returncode, said) == (0, "")
        return complained or ""


@contextmanager
def serving(tree: Tree, *arguments: str, log: Any = None, **variables: str) -> Iterator[Service]:
    """Start it, on a free port unless the arguments name one; `log` takes its standard error."""
    if "--port" not in arguments and "PORT" not in variables:
        arguments = ("--port", "0", *arguments)
    process = tree.start("serve", *arguments, env=variables, stderr=log or subprocess.PIPE)
    try:
        assert process.stdout
        said: list[str] = []
        while len(said) < 3 or not said[-3].startswith("Serving on "):
            line = process.stdout.readline()
            assert line, (said, process.communicate())
            said.append(line.rstrip("\n"))
        yield Service(process, said[-3].split()[2], said)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=15)
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


@dataclass(frozen=True)
class Postmaster:
    """The embedded server that runs for a tree."""

    pid: int
    socket_folder: Path

    @classmethod
    def of(cls, tree: Tree) -> Postmaster:
        lines = (tree.data / "postmaster.pid").read_text().splitlines()
        return cls(int(lines[0]), Path(lines[4]))

    def is_gone(self) -> bool:
        return not commands_of(self.pid) and not self.socket_folder.exists()


def commands_of(pid: int) -> str:
    """The command line of a process; none, if it is gone or waits to be buried."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def processes_in(tree: Tree) -> list[str]:
    """What still runs for a tree: by its command line, or by the folder it works in."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = commands_of(int(process.name))
            folder = (process / "cwd").readlink()
            if str(tree.path) in command or folder.is_relative_to(tree.data.parent):
                found.append(f"{process.name} {command}")
    return found


# --- Without a DATABASE_URL


def test_the_first_start_makes_a_database_fills_it_and_tells(own_tree: Tree) -> None:
    with serving(own_tree) as service:
        assert service.get("/").text == "Hello World! This is a book catalog."
        assert service.names() == AUTHORS
        assert len(service.get("/books/2").json()) == 4
        said = service.said
        assert service.stop() == ""

    assert said[0].startswith("Postgres 18")
    assert str(own_tree.data) in said[0]
    for name in ("0001_create_authors", "0002_create_books", "0003_", "0004_"):
        assert any(name in line for line in said)
    assert sum("seed.sql" in line for line in said) == 1
    url = service.url
    assert said[-3:] == [
        f"Serving on {url} (Ctrl-C stops)",
        f"  {url}/authors",
        f"  {url}/books/1",
    ]
    assert url.startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_a_later_start_is_quick_and_changes_nothing(tree: Tree) -> None:
    with serving(tree) as service:
        before = [service.get(path).content for path in ("/authors", "/books/1", "/books/2")]

    started = time.monotonic()
    with serving(tree) as service:
        assert [
            service.get(path).content for path in ("/authors", "/books/1", "/books/2")
        ] == before
        took = time.monotonic() - started

    assert len(service.said) == 4  # Postgres, Serving, and two URLs
    assert took < 10  # it takes half a second; this machine may be busy


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything(tree: Tree, number: signal.Signals) -> None:
    with serving(tree) as service:
        postmaster = Postmaster.of(tree)
        assert not postmaster.is_gone()

        assert service.stop(number) == ""

    assert postmaster.is_gone()
    assert processes_in(tree) == []


@pytest.mark.slow
def test_ctrl_c_twice_stops_everything_too(tree: Tree) -> None:
    with serving(tree) as service:
        postmaster = Postmaster.of(tree)
        service.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        service.process.send_signal(signal.SIGINT)
        assert service.stop(signal.SIGINT) == ""

    assert postmaster.is_gone()


@pytest.mark.slow
def test_a_client_that_keeps_its_connection_does_not_hold_it_up(tree: Tree) -> None:
    with serving(tree) as service, httpx.Client(base_url=service.url) as client:
        assert client.get("/authors").status_code == 200
        started = time.monotonic()
        assert service.stop() == ""

    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_what_a_kill_left_running_is_taken_over(tree: Tree) -> None:
    with serving(tree) as service:
        postmaster = Postmaster.of(tree)
        service.process.kill()
        service.process.communicate()
    assert not postmaster.is_gone()

    with serving(tree) as service:
        assert Postmaster.of(tree) == postmaster
        assert service.names() == AUTHORS
        assert service.stop() == ""

    assert postmaster.is_gone()


@pytest.mark.slow
def test_it_starts_again_after_everything_was_killed(own_tree: Tree) -> None:
    with serving(own_tree) as service:
        killed = Postmaster.of(own_tree)
        os.kill(killed.pid, signal.SIGKILL)
        service.process.kill()
        service.process.communicate()

    with serving(own_tree) as service:
        assert service.names() == AUTHORS
        assert service.stop() == ""

    assert not killed.socket_folder.exists()
    assert processes_in(own_tree) == []


def test_two_share_one_server_and_the_last_one_stops_it(tree: Tree) -> None:
    with serving(tree) as first, serving(tree) as second:
        postmaster = Postmaster.of(tree)
        assert first.url != second.url
        assert first.stop() == ""
        assert second.names() == AUTHORS
        assert Postmaster.of(tree) == postmaster
        assert second.stop() == ""

    assert postmaster.is_gone()


@pytest.mark.slow
def test_two_first_starts_at_once_fill_it_once(own_tree: Tree) -> None:
    with ExitStack() as both:
        starting = [own_tree.start("serve", "--port", "0") for _ in range(2)]
        for process in starting:
            both.callback(process.communicate)
            both.callback(process.terminate)
        urls = []
        for process in starting:
            assert process.stdout
            line = ""
            while not line.startswith("Serving on "):
                line = process.stdout.readline()
                assert line, process.communicate()
            urls.append(line.split()[2])
        for url in urls:
            authors = httpx.get(f"{url}/authors", timeout=30).json()
            assert [author["name"] for author in authors] == AUTHORS
            assert len(httpx.get(f"{url}/books/2", timeout=30).json()) == 4

    assert [process.returncode for process in starting] == [0, 0]


@pytest.mark.slow
def test_a_catalog_that_is_not_empty_is_not_seeded(own_tree: Tree) -> None:
    assert own_tree.run("migrate", "up").code == 0
    insert = """INSERT INTO "Authors" (name) VALUES ('Ours')"""
    assert own_tree.run("psql", "-qc", insert).code == 0

    with serving(own_tree) as service:
        assert service.names() == ["Ours"]


@pytest.mark.few(1)
@pytest.mark.parametrize("seconds", [0.25, 0.35, 0.45, 0.55])
def test_ctrl_c_during_a_start_leaves_nothing(tree: Tree, seconds: float) -> None:
    interrupted_after(tree, seconds, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("tenths", range(2, 14))
def test_a_signal_during_a_first_start_leaves_nothing(
    own_tree: Tree, tenths: int, number: signal.Signals
) -> None:
    interrupted_after(own_tree, tenths / 10, number)

    with serving(own_tree) as service:
        assert service.names() == AUTHORS
        assert service.stop() == ""
    assert processes_in(own_tree) == []


def interrupted_after(tree: Tree, seconds: float, number: signal.Signals) -> None:
    process = tree.start("serve", "--port", "0")
    time.sleep(seconds)
    process.send_signal(number)
    said, complained = process.communicate(timeout=15)

    # On a busy machine Python itself may still be starting; then nothing is there to be stopped.
    if said or process.returncode == 0:
        assert (process.returncode, complained) == (0, "")
    # The child of a killed initdb ends by itself, within moments.
    deadline = time.monotonic() + 10
    while processes_in(tree) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(tree) == []
    if (tree.data.parent / "log").exists():
        for line in (tree.data.parent / "log").read_text().splitlines():
            _, found, path = line.partition("listening on Unix socket ")
            assert not found or not Path(path.strip('"')).parent.exists()


# --- With a DATABASE_URL


@pytest.mark.slow
def test_a_database_it_was_pointed_at_keeps_its_schema(tree: Tree, database: str) -> None:
    with serving(tree, DATABASE_URL=database) as service:
        assert service.get("/").status_code == 200
        assert service.get("/authors").status_code == 503
        assert "bin/migrate up" in service.stop()  # logged, of the request

    said = "\n".join(service.said)
    assert "Migrations are pending there: 0001_create_authors, 0002_create_books," in said
    assert "bin/migrate up" in said
    with psycopg.connect(database) as connection:
        tables = "SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert connection.execute(tables).rowcount == 0


@pytest.mark.slow
def test_a_migrated_one_is_served_as_it_is(tree: Tree, database: str) -> None:
    assert tree.run("migrate", "up", env={"DATABASE_URL": database}).code == 0

    with serving(tree, DATABASE_URL=database) as service:
        assert service.names() == []
        assert service.stop() == ""

    assert len(service.said) == 4
    name, host = (conninfo_to_dict(database)[part] for part in ("dbname", "host"))
    assert service.said[0] == f'Reading from database "{name}" on {host}'


def test_it_is_ready_once_what_is_pending_is_applied(tree: Tree, database: str) -> None:
    with serving(tree, DATABASE_URL=database) as service:
        before, alive = service.get("/readyz"), service.get("/livez")
        assert tree.run("migrate", "up", env={"DATABASE_URL": database}).code == 0
        started = time.monotonic()
        while (after := service.get("/readyz")).status_code != 200:
            assert time.monotonic() - started < 10
            time.sleep(0.1)
        took = time.monotonic() - started
        assert service.stop() == ""

    print(f"ready {took:.1f} s after the last migration")
    assert (before.status_code, alive.status_code) == (503, 200)
    assert re.fullmatch(r"Migrations are pending: \d+\.", before.json()["detail"])
    assert after.text == "ready"


def test_what_a_deploy_brings_takes_ready_from_no_instance_that_runs(
    own_tree: Tree, database: str
) -> None:
    assert own_tree.run("migrate", "up", env={"DATABASE_URL": database}).code == 0
    with serving(own_tree, DATABASE_URL=database) as service:
        (own_tree.path / "sql/migrations/9999_later.up.sql").write_text("SELECT 1;")
        assert service.get("/readyz").text == "ready"
    with serving(own_tree, DATABASE_URL=database) as service:
        assert service.get("/readyz").status_code == 503


@pytest.mark.slow
def test_who_may_not_read_the_ledger_is_ready_all_the_same(tree: Tree, database: str) -> None:
    assert tree.run("migrate", "up", env={"DATABASE_URL": database}).code == 0
    role = f"reader_{uuid.uuid4().hex}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(f'GRANT SELECT ON "Authors", "Books" TO {role}'.encode())
        try:
            with serving(tree, DATABASE_URL=make_conninfo(database, user=role)) as service:
                assert service.names() == []
                assert service.get("/readyz").status_code == 200
                assert "Cannot tell whether migrations are pending" in service.stop()
        finally:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())


def test_the_url_may_stand_in_dot_env(own_tree: Tree, catalog_database: str) -> None:
    (own_tree.path / ".env").write_text(f'DATABASE_URL="{catalog_database}"\n')

    with serving(own_tree) as service:
        assert service.names() == []

    assert not (own_tree.path / ".catalog").exists()


@pytest.mark.slow
def test_a_database_that_comes_later_is_served_then(
    tree: Tree, catalog_database: str, tmp_path: Path
) -> None:
    later = make_conninfo(catalog_database, host=str(tmp_path), password=PASSWORD)

    with serving(tree, DATABASE_URL=later) as service:
        answer = service.get("/authors")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        there = Path(str(conninfo_to_dict(catalog_database)["host"])) / ".s.PGSQL.5432"
        (tmp_path / there.name).symlink_to(there)
        assert service.names() == []
        complained = service.stop()

    assert "503" in complained
    assert PASSWORD not in complained + "".join(service.said)


@pytest.mark.slow
def test_a_silent_host_does_not_keep_it_from_starting(tree: Tree) -> None:
    with silent_port() as port:
        url = f"postgresql://owner:secret@127.0.0.1:{port}/catalog"
        with serving(tree, DATABASE_URL=url) as service:
            assert service.get("/authors").status_code == 503
            assert "secret" not in service.stop()


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"user": "nobody_at_all"}, "password authentication failed"),
        ({"dbname": "no_such_database"}, 'database "no_such_database" does not exist'),
        ({"host": "no-such-host.invalid"}, "no-such-host.invalid"),
        ({"options": "sslmode=require"}, "SSL"),
        ({"options": "sslmode=nonsense"}, "sslmode"),
    ],
    ids=lambda value: str(value),
)
def test_what_only_a_person_can_mend_is_said_in_one_line(
    tree: Tree, guarded: Address, change: dict[str, str], told: str
) -> None:
    done = tree.run("serve", "--port", "0", env={"DATABASE_URL": guarded.but(**change).url})

    assert done.code == 1
    [line] = done.lines
    assert told in line
    assert "DATABASE_URL in the environment" in line
    assert PASSWORD not in line + done.out
    assert "S3cr3t" not in line + done.out


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:S3cr3t@here@127.0.0.1/catalog",
        "postgresql://owner:S3cr3t/x@127.0.0.1/catalog",
        "postgresql://owner:S3cr3t%zz@127.0.0.1/catalog",
        "postgres//owner:S3cr3t@127.0.0.1",
        "postgresql://owner:x@127.0.0.1/catalog?S3cr3t=1",
        "mysql://owner:S3cr3t@127.0.0.1/catalog",
        "S3cr3t",
    ],
)
def test_a_malformed_url_is_said_in_one_line_that_does_not_show_it(tree: Tree, url: str) -> None:
    done = tree.run("serve", "--port", "0", env={"DATABASE_URL": url})

    assert (done.code, done.out) == (1, "")
    [line] = done.lines
    assert line.startswith("DATABASE_URL in the environment is not a connection string")
    assert "S3cr3t" not in line


@pytest.mark.slow
def test_a_slow_line_is_no_reader_who_has_stopped(tree: Tree, catalog_database: str) -> None:
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        fill = 'INSERT INTO "Authors" (name) SELECT n FROM generate_series(1, 150000) AS n'
        connection.execute(fill)

    with serving(tree, DATABASE_URL=catalog_database) as service:
        url = httpx.URL(service.url)
        with socket.create_connection((url.host, url.port), timeout=20) as line:
            line.sendall(b"GET /authors HTTP/1.1\r\nHost: test\r\n\r\n")
            deadline = time.monotonic() + 20
            taken = b""
            while not taken.endswith(b"\r\n0\r\n\r\n"):
                more = line.recv(10_000)
                assert more
                taken = taken[-10:] + more
                if time.monotonic() < deadline:
                    time.sleep(0.1)
        assert service.stop() == ""


# --- Where it listens


@pytest.mark.slow
def test_the_port_may_come_from_the_environment_and_an_option_overrules_it(
    tree: Tree, catalog_database: str
) -> None:
    one, other = free_port(), free_port()

    with serving(tree, DATABASE_URL=catalog_database, PORT=str(one)) as service:
        assert service.url == f"http://127.0.0.1:{one}"
        assert service.names() == []
    with serving(
        tree, "--port", str(other), DATABASE_URL=catalog_database, PORT=str(one)
    ) as service:
        assert service.url == f"http://127.0.0.1:{other}"


@pytest.mark.slow
def test_the_host_may_come_from_the_environment_and_an_option_overrules_it(
    tree: Tree, catalog_database: str
) -> None:
    # HOST has another meaning where shells export it.
    variables = {"DATABASE_URL": catalog_database, "CATALOG_HOST": "127.0.0.2", "HOST": "x.invalid"}

    with serving(tree, **variables) as service:
        assert service.url.startswith("http://127.0.0.2:")
        assert service.names() == []
    with serving(tree, "--host", "localhost", **variables) as service:
        assert service.names() == []


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_it_serves_over_ipv6(tree: Tree, catalog_database: str) -> None:
    with serving(tree, "--host", "::1", DATABASE_URL=catalog_database) as service:
        assert service.url.startswith("http://[::1]:")
        assert service.names() == []


@pytest.mark.slow
def test_a_port_in_use_is_said_before_anything_is_started(own_tree: Tree) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = own_tree.run("serve", "--port", str(port))

    assert (done.code, done.out) == (1, "")
    [line] = done.lines
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: address already in use; ")
    assert "--port" in line
    assert not (own_tree.path / ".catalog").exists()


@pytest.mark.few(2)
@pytest.mark.parametrize("port", ["abc", "65536", "-1", "1.5", "²", " 3000 x"])
def test_a_port_that_is_none_is_said_in_one_line(own_tree: Tree, port: str) -> None:
    done = own_tree.run("serve", env={"PORT": port})

    assert (done.code, done.out) == (1, "")
    assert done.lines == [f'the port "{port}" is not one; give a number from 0 to 65535']


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "two words"])
def test_a_host_that_is_not_this_machine_is_said_in_one_line(tree: Tree, host: str) -> None:
    done = tree.run("serve", "--host", host, "--port", "0")

    assert (done.code, done.out) == (1, "")
    [line] = done.lines
    assert line.startswith(f"cannot listen on {host}:0: ")


@pytest.mark.few(2)
@pytest.mark.parametrize("arguments", [["--nonsense"], ["extra"], ["--port"], ["--po", "1"]])
def test_wrong_usage(tree: Tree, arguments: list[str]) -> None:
    done = tree.run("serve", *arguments)

    assert (done.code, done.out) == (2, "")
    assert "usage: bin/serve" in done.err


def test_help_shows_the_options(tree: Tree) -> None:
    done = tree.run("serve", "--help")

    assert (done.code, done.err) == (0, "")
    for option in ("--host", "--port", "CATALOG_HOST", "PORT", "DATABASE_URL"):
        assert option in done.out
