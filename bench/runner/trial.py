"""A tool with a project of migrations and a database of its own; what it does there is checked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.runner.child import Cost, cost
from bench.server import administer, own_server
from bench.tools import Action, Migration, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from catalog.embedded import EmbeddedServer

STEPS: dict[str, Action] = {"up": "up", "again": "up", "status": "status", "down": "down"}
"""What is done with a new database, and how; `again` has nothing to do."""

_UP = """-- Table {0}.

CREATE TABLE t{0} (
    id   integer PRIMARY KEY,
    name text NOT NULL
);
"""
_DOWN = "DROP TABLE t{0};\n"
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^t[0-9]+$'"


@dataclass(frozen=True)
class Trial:
    """One tool's project, and a database."""

    tool: Tool
    folder: Path
    migrations: Sequence[Migration]
    conninfo: str

    def take(self, step: str, *, by_way_of: str, back: int = 0) -> Cost | None:
        """Take a step, on the database as it is reached so, or `None` if the tool cannot.

        `back` is how many migrations the step `down` takes back. All ends here if the tool's
        ledger or the tables are not as they should be afterwards.
        """
        action = STEPS[step]
        command = self.tool.command(self.folder, action, back)
        if command is None or (step == "again" and not self.tool.knows_what_is_done):
            return None
        environment = self.tool.environment(self.folder, by_way_of)
        found = cost(command, folder=self.folder, environment=environment)
        expected = len(self.migrations) - (back if step == "down" else 0)
        recorded = len(self.tool.recorded(self.conninfo, self.migrations))
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            [tables] = connection.execute(_TABLES).fetchone() or [0]
        if (recorded, tables) != (expected, expected):
            raise SystemExit(
                f"{self.tool.title}: {tables} tables and {recorded} recorded migrations after"
                f" {step}, not {expected}"
            )
        return found


class Trials:
    """Where they take place: a server with its default settings, and a folder for the projects."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    @property
    def conninfo(self) -> str:
        """The server's."""
        return self._server.conninfo

    def new(self, tool: Tool, count: int) -> Trial:
        """A project of so many small tables, and a new database; the one before is dropped."""
        migrations = [
            Migration(f"{number:04}_create_t{number}", _UP.format(number), _DOWN.format(number))
            for number in range(1, count + 1)
        ]
        name = f"{tool.name}-{count}"
        folder = self._folder / name
        if not folder.exists():
            folder.mkdir()
            tool.write(folder, migrations)
        administer(
            self._server,
            sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)),
            sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)),
            sql.SQL("CHECKPOINT"),  # what was left to be written is nobody's, from here on
        )
        return Trial(tool, folder, migrations, make_conninfo(self.conninfo, dbname=name))


@contextmanager
def trials() -> Iterator[Trials]:
    """Such a place, for as long as it is entered."""
    with own_server() as (server, folder):
        yield Trials(server, folder)
