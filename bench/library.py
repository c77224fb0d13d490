"""The databases that are read: the guide's sample data, and as many authors as are wanted."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.delay import SOCKET
from bench.server import administer, own_server
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.embedded import EmbeddedServer

ROUND_TRIP = 0.02
"""Seconds to a database that is far away, and back."""

_FILL = (
    """INSERT INTO "Authors" (name) SELECT 'Author ' || n FROM generate_series(1, %s) AS n""",
    """INSERT INTO "Books" (title, "authorId")
       SELECT 'Book ' || n, id FROM "Authors", generate_series(1, %s) AS n ORDER BY id, n""",
)


class Library:
    """A server of its own, for the databases that are read."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server

    @property
    def bindir(self) -> Path:
        """Where its programs are."""
        return self._server.bindir

    @property
    def socket_folder(self) -> str:
        """Where it is reached."""
        return str(conninfo_to_dict(self._server.conninfo)["host"])

    @property
    def pid(self) -> int:
        """Of Postgres' first process, the parent of all the others."""
        return int((self._server.data / "postmaster.pid").read_text().split()[0])

    def make_sample(self, name: str) -> None:
        """Make a database with the guide's three authors."""
        with self._made(name):
            psql = [str(self.bindir / "psql"), "-Xqf", str(ROOT / "sql/seed.sql")]
            subprocess.run([*psql, self.conninfo(name)], check=True)

    def make(self, name: str, *, authors: int, books: int = 0) -> None:
        """Make a database with so many authors, and so many books of each."""
        with self._made(name) as connection:
            for statement, count in zip(_FILL, (authors, books), strict=True):
                connection.execute(statement.encode(), [count])

    @contextmanager
    def _made(self, name: str) -> Iterator[psycopg.Connection]:
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        administer(self._server, create)
        with psycopg.connect(self.conninfo(name), autocommit=True) as connection:
            for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                connection.execute(script.read_bytes())
            yield connection
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def copy(self, name: str, *, for_whom: str) -> str:
        """Make a copy of a database, in place of the one before, and return its conninfo."""
        copy, template = sql.Identifier(f"for_{for_whom}"), sql.Identifier(name)
        administer(
            self._server,
            sql.SQL("DROP DATABASE IF EXISTS {}").format(copy),
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copy, template),
        )
        return self.conninfo(f"for_{for_whom}")

    def transactions(self, *, for_whom: str) -> int:
        """How many there have been in that copy, of connections that have ended."""
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        with psycopg.connect(self._server.conninfo, autocommit=True) as connection:
            [count] = connection.execute(query, [f"for_{for_whom}"]).fetchone() or [0]
        return int(count)

    def conninfo(self, name: str) -> str:
        """How to connect to one of its databases."""
        return make_conninfo(self._server.conninfo, dbname=name)


@contextmanager
def library() -> Iterator[Library]:
    """A server of its own, for as long as it is measured."""
    with own_server() as (server, _):
        yield Library(server)


@contextmanager
def far_away(socket_folder: str, round_trip: float) -> Iterator[tuple[str, int]]:
    """A folder with a socket from which that one is a round trip away, and the process between."""
    with ExitStack() as entered:
        folder = entered.enter_context(
            tempfile.TemporaryDirectory(prefix="catalog-far-", dir="/tmp")
        )
        command = [sys.executable, "-m", "bench.delay", folder, socket_folder, str(round_trip)]
        process = entered.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE))
        entered.callback(process.terminate)
        while not (Path(folder) / SOCKET).exists():
            if process.poll() is not None:
                sys.exit("bench.delay does not start")
            time.sleep(0.01)
        yield folder, process.pid
