"""Readers of the documents: a shell in a copy of the tree, a database, and what they type.

`python -m tests.whole.readers docs/NAME.md …` writes what commands really print into documents.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT
from tests.whole.documents import Document, File, Tried, rewritten
from tests.whole.trees import copied_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.whole.trees import Tree

DOCS = ROOT / "docs"
LARGE = Path(__file__).parent / "large_catalog.sql"

HOME, CLONE = "/home/you", "/home/you/catalog"
"""Where readers are taken to be."""

_LONGEST = 300  # seconds; a command that takes longer hangs
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Terms:
    """How a document is to be tried."""

    read_only: Mapping[str, int] = field(default_factory=dict)
    """How many of its blocks, by language, cannot be run or are no files."""
    sections_apart: bool = False
    """Whether each section begins anew, on a catalog with many rows."""


TERMS: dict[str, Terms] = {
    "safe-migrations.md": Terms(sections_apart=True),
}


class Shell:
    """A bash in a copy of the tree, as long as it is entered, that remembers where it is."""

    def __init__(self, tree: Tree, conninfo: str) -> None:
        named = conninfo_to_dict(conninfo)
        place = f'database "{named["dbname"]}" on {named["host"]}'
        self._spoken = {
            place: 'database "catalog" on db.example.com',
            str(tree.path): CLONE,
            str(tree.home): HOME,
        }
        self._tree = tree
        self._conninfo = conninfo
        self._written: list[Path] = []
        self.folder = tree.path

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self._tree.path,
            env=self._tree.environment(DATABASE_URL=self._conninfo),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate()
        for path in self._written:
            path.unlink(missing_ok=True)

    def write(self, file: File) -> None:
        """Write a file, where the shell is."""
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
        self._written.append(path)

    def run(self, command: str) -> tuple[list[str], int]:
        """Run a command to its end: the lines that it printed, and its exit code."""
        assert self._process.stdin
        assert self._process.stdout
        end = f"end-of-{time.monotonic_ns()}"
        script = f"{{ {command}\n}} </dev/null\nprintf '\\n{end} %d %s\\n' $? \"$PWD\"\n"
        self._process.stdin.write(script.encode())
        self._process.stdin.flush()
        seen, deadline = b"", time.monotonic() + _LONGEST
        while not (found := re.search(rf"\n{end} (\d+) (.*)\n".encode(), seen)):
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self._process.stdout], [], [], left)[0], f"hangs: {command}"
            read = os.read(self._process.stdout.fileno(), 65536)
            assert read, f"ended the shell: {command}\n{seen.decode()}"
            seen += read
        self.folder = Path(found[2].decode())
        text = seen[: found.start()].decode()
        for real, spoken in self._spoken.items():
            text = text.replace(real, spoken)
        lines = text.splitlines()
        while lines and not lines[-1]:
            lines.pop()
        return lines, int(found[1])


def tried(
    document: Document, server: EmbeddedServer, tree: Tree, *, section: int | None
) -> Iterator[Tried]:
    """Do what a document says in one of its sections, on a catalog with many rows; or in all."""
    large = section is not None
    with _database(server, tree, large=large) as conninfo, Shell(tree, conninfo) as shell:
        for step in document.steps:
            if large and section != step.section:
                continue
            if isinstance(step, File):
                shell.write(step)
            else:
                yield Tried(step, *shell.run(step.text))


@contextmanager
def _database(server: EmbeddedServer, tree: Tree, *, large: bool) -> Iterator[str]:
    """A new database, empty or a catalog with many rows."""
    name = f"test_{uuid.uuid4().hex}"
    template = _large_catalog(server, tree) if large else "template0"
    create, drop = "CREATE DATABASE {} TEMPLATE {}", "DROP DATABASE {} WITH (FORCE)"
    maintenance = make_conninfo(server.conninfo, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL(create).format(*map(sql.Identifier, (name, template))))
        try:
            yield make_conninfo(server.conninfo, dbname=name)
        finally:
            connection.execute(sql.SQL(drop).format(sql.Identifier(name)))


def _large_catalog(server: EmbeddedServer, tree: Tree) -> str:
    """A database to copy, made once for all who use the server."""
    name, unfinished = "large_catalog", "large_catalog_unfinished"
    maintenance = make_conninfo(server.conninfo, dbname="postgres")
    with (
        (server.home / "large.lock").open("w") as lock,
        psycopg.connect(maintenance, autocommit=True) as connection,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            return name
        connection.execute(f"CREATE DATABASE {unfinished}")
        conninfo = make_conninfo(server.conninfo, dbname=unfinished)
        done = tree.run("migrate", "up", env={"DATABASE_URL": conninfo})
        assert done.code == 0, done
        with psycopg.connect(conninfo, autocommit=True) as large:
            large.execute(LARGE.read_bytes())
            large.execute("VACUUM ANALYZE")
        connection.execute(f"ALTER DATABASE {unfinished} RENAME TO {name}")
    return name


def main(paths: list[str]) -> None:
    """Write what commands really print into documents."""
    with copied_tree() as tree, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(Path(folder), bindir=embedded_bindir(), settings=_FAST) as server:
            for path in map(Path, paths):
                text = path.read_text()
                document = Document.parse(text)
                apart = TERMS.get(path.name, Terms()).sections_apart
                found = []
                for section in document.sections() if apart else [None]:
                    found += list(tried(document, server, tree, section=section))
                path.write_text(rewritten(text, found))


if __name__ == "__main__":
    main(sys.argv[1:])
