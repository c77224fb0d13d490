"""What a migration is to every tool, and what every tool is to the benchmarks."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.packages import installed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Action = Literal["up", "status", "down"]


@dataclass(frozen=True)
class Migration:
    """What every tool is given, in its own format."""

    name: str
    """Digits, an underscore, words; sorted as it is to run."""
    up: str
    """SQL, of several statements maybe."""
    down: str
    transactional: bool = True
    """Whether it runs in a transaction; if not, it is told so as the tool's documentation says."""


class Tool(ABC):
    """A migration runner, set up as its documentation recommends."""

    name: ClassVar[str]
    title: ClassVar[str]
    manner: ClassVar[str]
    """How it is set up, in words."""
    ledger: ClassVar[str]
    """A query for what it has recorded."""
    source: ClassVar[Path | None] = None
    """The folder with the lock of its packages, if it has any."""
    knows_what_is_done: ClassVar[bool] = True
    """Whether `up` applies only what is pending."""

    def set_up(self) -> None:
        """Install its packages."""
        if self.source:
            installed(self.source)

    def write(self, folder: Path, migrations: Sequence[Migration]) -> None:
        """Make that folder a project with these migrations, and no others."""
        shutil.rmtree(folder / "migrations", ignore_errors=True)
        (folder / "migrations").mkdir()
        for number, migration in enumerate(migrations):
            self.write_one(folder, migration, after=migrations[number - 1] if number else None)

    @abstractmethod
    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:
        """Write the one that comes after another."""

    @abstractmethod
    def file_of(self, folder: Path, migration: Migration) -> Path:
        """The file with its `up`."""

    def files_of(self, folder: Path, migration: Migration) -> list[Path]:
        """All files that hold it."""
        return [self.file_of(folder, migration)]

    @abstractmethod
    def command(self, folder: Path, action: Action, count: int = 1) -> list[str] | None:
        """What does it, with the project as its current folder; `None` if the tool has none.

        `up` applies all that is pending, `down` takes back the newest `count`; for more than one,
        all migrations of the project have to be applied.
        """

    def environment(self, folder: Path, conninfo: str) -> dict[str, str]:
        """All variables that a command is to see."""
        # No settings of the user's, such as ~/.pgpass.
        return {"PATH": os.environ["PATH"], "HOME": str(folder), **self.variables(conninfo)}

    @abstractmethod
    def variables(self, conninfo: str) -> dict[str, str]:
        """Those that tell it the database."""

    def recorded(self, conninfo: str, migrations: Sequence[Migration]) -> list[str]:
        """The names of those that it has recorded as applied."""
        with psycopg.connect(conninfo, autocommit=True) as connection:
            try:
                rows = [str(row[0]) for row in connection.execute(self.ledger.encode())]
            except psycopg.errors.UndefinedTable:
                return []
        return self.among(rows, migrations)

    def among(self, rows: Sequence[str], migrations: Sequence[Migration]) -> list[str]:
        """The names of those that these rows stand for."""
        return [migration.name for migration in migrations if migration.name in rows]


def url(conninfo: str, scheme: str, **options: str) -> str:
    """The same as a URL, in the form that libraries of all languages read."""
    named = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    user, database = quote(named["user"], safe=""), quote(named["dbname"], safe="")
    if named["host"].startswith("/"):
        where, options = "", {"host": named["host"], **options}
    else:
        where = f"{named['host']}:{named['port']}"
    return f"{scheme}://{user}@{where}/{database}?{urlencode(options)}"


def libpq(conninfo: str) -> dict[str, str]:
    """The same as libpq's variables."""
    named = conninfo_to_dict(conninfo)
    keys = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    return {name: str(named[key]) for name, key in keys.items() if named.get(key)}
