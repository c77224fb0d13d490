"""Readers of the documents: a shell in a copy of the tree, a database, and what they type.

`python -m tests.whole.readers docs/NAME.md …` writes what commands really print into documents.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
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
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT
from tests.whole.documents import Document, File, Tried, rewritten
from tests.whole.guides import GUIDE, database_variables
from tests.whole.npm import install
from tests.whole.servers import free_port
from tests.whole.trees import copied_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.whole.trees import Tree

DOCS = ROOT / "docs"
LARGE = Path(__file__).parent / "large_catalog.sql"

HOME, CLONE_NAME, GUIDE_NAME = "/home/you", "catalog", "book-catalog"
"""Where readers are taken to be, and what the folders beside each other are called there."""

_PORTS = ("3000", "4000")
"""Which documents use, and for which free ones are taken."""

_LONGEST = 300  # seconds; a command that takes longer hangs
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Terms:
    """How a document is to be tried."""

    read_only: Mapping[str, int] = field(default_factory=dict)
    """How many of its blocks, by language, cannot be run or are no files."""
    sections_apart: bool = False
    """Whether each section begins anew, on a catalog with many rows."""
    beside_guide: bool = False
    """Whether the application of the Sequelize guide lies beside the clone."""
    slow: bool = False
    roles: tuple[str, ...] = ()
    """Those that it makes; they belong to the server, and have to go after the database."""


NEEDS_BASH = pytest.mark.skipif(
    shutil.which("bash") is None, reason="there is no bash on this machine"
)

TERMS: dict[str, Terms] = {
    "from-sequelize.md": Terms({"nginx": 1}, beside_guide=True, slow=True),
    "how-it-works.md": Terms({"mermaid": 3}),
    "in-your-own-project.md": Terms(slow=True, roles=("shop_migrator", "shop_app")),
    "neon.md": Terms({"dotenv": 1, "sh": 2, "yaml": 1}),
    "running.md": Terms({"ini": 1, "nginx": 1}),
    "safe-migrations.md": Terms(sections_apart=True),
}


class Shell:
    """A bash in a copy of the tree, as long as it is entered, that remembers where it is."""

    def __init__(self, tree: Tree, conninfo: str, guide: Path | None) -> None:
        named = conninfo_to_dict(conninfo)
        place = f'database "{named["dbname"]}" on {named["host"]}'
        self._spoken = {
            place: 'database "catalog" on db.example.com',
            str(tree.path): f"{HOME}/{CLONE_NAME}",
            str(tree.home): HOME,
        }
        self._ports = {port: str(free_port()) for port in _PORTS}
        self._tree = tree
        # How this machine reaches its package index.
        index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self._environment = {
            "DATABASE_URL": conninfo,
            **database_variables(conninfo),
            **index,
        }
        if guide:
            (tree.path.parent / GUIDE_NAME).symlink_to(guide)
        self._written: list[Path] = []
        self.folder = tree.path

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self._tree.path,
            env=self._tree.environment(**self._environment),
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
        for port, free in self._ports.items():
            command = re.sub(rf"\b{port}\b", free, command)
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
        for port, free in self._ports.items():
            text = re.sub(rf"\b{free}\b", port, text)
        lines = text.splitlines()
        while lines and not lines[-1]:
            lines.pop()
        return lines, int(found[1])


def tried(
    document: Document,
    server: EmbeddedServer,
    tree: Tree,
    *,
    section: int | None = None,
    guide: Path | None = None,
    roles: Sequence[str] = (),
) -> Iterator[Tried]:
    """Do what a document says in one of its sections, on a catalog with many rows; or in all.

    `guide` is a folder with the guide's application; `roles` are those that the document makes.
    """
    large = section is not None
    with (
        _database(server, tree, large=large, roles=roles) as conninfo,
        Shell(tree, conninfo, guide) as shell,
    ):
        for step in document.steps:
            if large and section != step.section:
                continue
            if isinstance(step, File):
                shell.write(step)
            else:
                yield Tried(step, *shell.run(step.text))


@contextmanager
def _database(
    server: EmbeddedServer, tree: Tree, *, large: bool, roles: Sequence[str]
) -> Iterator[str]:
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
            for role in roles:
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


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
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        with EmbeddedServer(home, bindir=embedded_bindir(), settings=_FAST) as server:
            for path in map(Path, paths):
                text = path.read_text()
                terms = TERMS.get(path.name, Terms())
                document = Document.parse(text)
                found: list[Tried] = []
                guide = home / "guide" if terms.beside_guide else None
                if guide and not guide.exists():
                    install(GUIDE, guide)
                with copied_tree(CLONE_NAME) as tree:
                    for section in document.sections() if terms.sections_apart else [None]:
                        found += tried(
                            document,
                            server,
                            tree,
                            section=section,
                            guide=guide,
                            roles=terms.roles,
                        )
                path.write_text(rewritten(text, found))


if __name__ == "__main__":
    main(sys.argv[1:])
