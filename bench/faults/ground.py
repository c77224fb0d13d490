"""Where faults are tried: one server, and for each trial a tool with a folder and a database.

The migrations make everything in the schema `app`, so that whatever is elsewhere is the tool's.
"""

from __future__ import annotations

import itertools
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.faults.processes import LIMIT, Ended, Started, started
from bench.server import administer, own_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.tools import Action, Migration, Tool
    from catalog.embedded import EmbeddedServer

_STARTED = 20.0
"""Seconds in which a tool has come to what is waited for."""
_TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' ORDER BY relname
"""
_COLUMNS = """
    SELECT table_name || '.' || column_name FROM information_schema.columns
     WHERE table_schema = 'app' ORDER BY 1
"""
_INDEXES = """
    SELECT indexrelid::regclass::text, indisvalid FROM pg_index
     WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace)
     ORDER BY 1
"""
_CONNECTED = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = %s AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Picture:
    """What the migrations of a database have come to."""

    rows: dict[str, int]
    """By table."""
    columns: list[str]
    indexes: dict[str, bool]
    """And whether each is valid."""

    def has_more_rows(self, wanted: Picture) -> bool:
        """Whether a table has more of them than is wanted: something was done twice."""
        return any(count > wanted.rows.get(table, 0) for table, count in self.rows.items())


def picture_of(conninfo: str) -> Picture:
    """What is there now."""
    with psycopg.connect(conninfo, options="-c lock_timeout=10s") as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        count = sql.SQL("SELECT count(*) FROM {}")
        rows = {
            name: one(connection.execute(count.format(sql.Identifier("app", name))).fetchone())
            for name in tables
        }
        columns = [name for (name,) in connection.execute(_COLUMNS)]
        return Picture(rows, columns, dict(connection.execute(_INDEXES).fetchall()))


def one(row: tuple[Any, ...] | None) -> Any:
    """The only value of the only row."""
    if row is None:
        raise LookupError("there is no row")
    return row[0]


@dataclass(frozen=True)
class Case:
    """A tool, its files, and a database of its own."""

    tool: Tool
    folder: Path
    database: str
    """Its conninfo."""
    direct: str
    """The same without anything between."""

    def write(self, migrations: Sequence[Migration]) -> None:
        """Have these files, and no others."""
        self.tool.write(self.folder, migrations)

    def can(self, action: Action) -> bool:
        """Whether the tool has such a command."""
        return self.tool.command(self.folder, action) is not None

    @contextmanager
    def start(self, action: Action) -> Iterator[Started]:
        """Start it; `down` takes back one."""
        command = self.tool.command(self.folder, action)
        if command is None:
            raise LookupError(f"{self.tool.title} has no {action}")
        environment = self.tool.environment(self.folder, self.database)
        with started(command, self.folder, environment) as running:
            yield running

    def run(self, action: Action, limit: float = LIMIT) -> Ended:
        """Run it to its end."""
        with self.start(action) as running:
            return running.end(limit)

    def prepare(self, migrations: Sequence[Migration]) -> None:
        """Write these, and apply them: nothing is tried yet, so it has to succeed."""
        self.write(migrations)
        ended = self.run("up")
        if not ended.ok:
            raise RuntimeError(f"{self.tool.title}: {ended.code}\n{ended.output}")

    def wait_for(self, query: str, running: Started) -> None:
        """Wait until that query finds something, which has to come while the command runs."""
        deadline = time.monotonic() + _STARTED
        with psycopg.connect(self.direct, autocommit=True) as connection:
            while connection.execute(query.encode()).fetchone() is None:
                if running.has_ended or time.monotonic() > deadline:
                    ended = running.end(0)
                    raise RuntimeError(f"{query} found nothing: {ended.code}\n{ended.output}")
                time.sleep(0.01)

    def wait_for_another(self, others: int, running: Started) -> None:
        """Wait until the command is connected, besides so many others, or has ended already."""
        deadline = time.monotonic() + _STARTED
        while self.others <= others and not running.has_ended:
            if time.monotonic() > deadline:
                raise RuntimeError(f"it did not connect:\n{running.end(0).output}")
            time.sleep(0.05)

    @property
    def picture(self) -> Picture:
        """What is in the database now."""
        return picture_of(self.direct)

    @property
    def others(self) -> int:
        """How many are connected to the database."""
        name = conninfo_to_dict(self.direct)["dbname"]
        with psycopg.connect(self.direct, dbname="postgres", autocommit=True) as connection:
            return int(one(connection.execute(_CONNECTED, [name]).fetchone()))

    def others_are_gone(self, limit: float) -> bool:
        """Whether nobody is connected to the database any more, within so many seconds."""
        deadline = time.monotonic() + limit
        while self.others:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class Ground:
    """The server, and new databases on it."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._numbers = itertools.count(1)
        self._wanted: dict[tuple[Migration, ...], Picture] = {}

    @property
    def conninfo(self) -> str:
        """Of its own database, for those who look at the others."""
        return make_conninfo(self._server.conninfo, dbname="postgres")

    @contextmanager
    def case(self, tool: Tool) -> Iterator[Case]:
        """A database without anything, and a folder."""
        number = next(self._numbers)
        with self.database(f"case_{number}") as conninfo:
            folder = self._folder / f"case-{number}"
            folder.mkdir()
            try:
                yield Case(tool, folder, conninfo, conninfo)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def wanted(self, migrations: Sequence[Migration]) -> Picture:
        """What those have to come to, each applied once."""
        key = tuple(migrations)
        if key not in self._wanted:
            self._wanted[key] = self._applied(migrations)
        return self._wanted[key]

    def _applied(self, migrations: Sequence[Migration]) -> Picture:
        with self.database(f"wanted_{next(self._numbers)}") as conninfo:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                for migration in migrations:
                    connection.execute(migration.up.encode())
            return picture_of(conninfo)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """An empty database, for as long as it is needed."""
        identifier = sql.Identifier(name)
        administer(self._server, sql.SQL("CREATE DATABASE {}").format(identifier))
        try:
            conninfo = make_conninfo(self._server.conninfo, dbname=name)
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute("CREATE SCHEMA app")
            yield conninfo
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            administer(self._server, drop.format(identifier))


@contextmanager
def ground() -> Iterator[Ground]:
    """A server of its own, for as long as faults are tried."""
    with own_server() as (server, folder):
        yield Ground(server, folder)
