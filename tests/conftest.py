"""A real Postgres for every test run, and a database of its own for every test that wants one.

Nobody's database is touched: the variables that could name one are removed before anything else,
and `.env` is never read (tests of the commands run them in a copy of the tree, without it).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

for _name in list(os.environ):
    if _name.startswith(("DATABASE_URL", "PG", "MIGRATIONS_")) or _name in (
        *("PORT", "CATALOG_HOST", "REQUEST_TIMEOUT"),
    ):
        del os.environ[_name]


_ROOM = 4 * 2**30  # bytes; the server needs a quarter of that


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="the slow tests as well, as CI does")


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: every other test waits for a lock, a timeout or a server's start."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    cases = Counter[object]()
    slow = []
    for item in items:
        few = item.get_closest_marker("few")
        function = getattr(item, "function", None)
        cases[function] += 1
        if item.get_closest_marker("slow") or (few and cases[function] > few.args[0]):
            slow.append(item)
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: a missing tool must be installed, not passed over."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("CI refuses skipped tests", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@cache
def _home_of_this_run() -> Path:
    """A folder for the server: in memory, if there is room.

    Each database is three hundred files, and ext4 is slow to make files where many were deleted in
    the last minutes.
    """
    memory = Path("/dev/shm")
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM
    folder = memory if has_room else Path(tempfile.gettempdir())
    return folder / f"catalog-tests-{uuid.uuid4().hex}"


def _server_home(config: pytest.Config) -> Path:
    """One folder for all the worker processes of one run."""
    worker = getattr(config, "workerinput", None)
    return Path(worker["server_home"]) if worker else _home_of_this_run()


def pytest_configure_node(node: object) -> None:
    """Let a worker know which folder all of them share."""
    node.workerinput["server_home"] = str(_home_of_this_run())  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(_home_of_this_run(), ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_server(pytestconfig: pytest.Config) -> Iterator[EmbeddedServer]:
    """The run's server, shared by all workers; it stops with the last of them."""
    # Nothing here outlives the run, so nothing has to reach the disk.
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    settings = {**fast, "max_wal_size": "256MB", "max_connections": "300"}
    with EmbeddedServer(
        _server_home(pytestconfig), bindir=embedded_bindir(), settings=settings
    ) as server:
        yield server


@pytest.fixture
def database(embedded_server: EmbeddedServer) -> Iterator[str]:
    """The conninfo of an empty database."""
    with _new_database(embedded_server, template="template0") as conninfo:
        yield conninfo


@pytest.fixture
def catalog_database(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[str]:
    """The conninfo of a database with all of the project's migrations, and no rows."""
    with _new_database(embedded_server, template=catalog_template) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def catalog_template(embedded_server: EmbeddedServer) -> str:
    """A database to copy, migrated once for all workers."""
    name = "catalog_template"
    with (embedded_server.home / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _maintenance(embedded_server) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if found.rowcount:
                return name
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        conninfo = make_conninfo(embedded_server.conninfo, dbname=name)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                connection.execute(script.read_bytes())
    return name


def _maintenance(server: EmbeddedServer) -> psycopg.Connection:
    return psycopg.connect(make_conninfo(server.conninfo, dbname="postgres"), autocommit=True)


class _new_database:  # noqa: N801
    """Make a database and drop it again, with whoever is still connected to it."""

    def __init__(self, server: EmbeddedServer, *, template: str) -> None:
        self.server = server
        self.name = f"test_{uuid.uuid4().hex}"
        self.template = template

    def __enter__(self) -> str:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with _maintenance(self.server) as connection:
            connection.execute(
                create.format(sql.Identifier(self.name), sql.Identifier(self.template))
            )
        return make_conninfo(self.server.conninfo, dbname=self.name)

    def __exit__(self, *_: object) -> None:
        with _maintenance(self.server) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(self.name)))
