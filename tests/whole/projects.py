"""A folder of migrations of a test's own, and a database to run them on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.whole.trees import Done, Tree


@dataclass(frozen=True)
class Project:
    """A folder of migrations, and a database to run them on."""

    tree: Tree
    database: str
    folder: Path

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (self.folder / name).write_bytes(data)

    def migrate(self, *arguments: str, **options: Any) -> Done:
        return self.tree.run("migrate", *self._arguments(arguments), **self._options(options))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return self.tree.start("migrate", *self._arguments(arguments), **self._options(options))

    def succeed(self, *arguments: str, **options: Any) -> Done:
        done = self.migrate(*arguments, **options)
        assert (done.code, done.err) == (0, "")
        return done

    def fail(self, *arguments: str, **options: Any) -> Done:
        done = self.migrate(*arguments, **options)
        assert done.code == 1, done
        return done

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def applied(self) -> list[str]:
        """The names in the ledger, in the order of application."""
        if not self.query("SELECT 1 WHERE to_regclass('schema_migrations') IS NOT NULL"):
            return []
        return [
            name for (name,) in self.query("SELECT name FROM schema_migrations ORDER BY position")
        ]

    @property
    def tables(self) -> list[str]:
        """The tables of `public` that are not the runner's."""
        return [
            name
            for (name,) in self.query(
                "SELECT relname FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'public'::regnamespace"
                " AND relname NOT LIKE 'schema_migrations%' ORDER BY 1"
            )
        ]

    def _arguments(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return ("--dir", str(self.folder), *arguments)

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"cwd": self.folder, "env": {"DATABASE_URL": self.database}, **options}


def wait_for(project: Project, query: str) -> None:
    """Ask until there is an answer."""
    deadline = time.monotonic() + 20
    while not project.query(query):
        assert time.monotonic() < deadline, f"never came true: {query}"
        time.sleep(0.05)


@contextmanager
def holding(project: Project, statement: str, *, application: str = "holder") -> Iterator[int]:
    """A session that runs a statement in a transaction and stays in it; the number is its pid."""
    with psycopg.connect(project.database, application_name=application) as connection:
        connection.execute(statement.encode())
        yield connection.info.backend_pid
        connection.rollback()
