"""A Postgres of its own, with its default settings, for as long as something is measured."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg

from catalog.embedded import EmbeddedServer, embedded_bindir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import sql


@contextmanager
def own_server() -> Iterator[tuple[EmbeddedServer, Path]]:
    """The server, and a folder for what goes with it."""
    with TemporaryDirectory(prefix="catalog-bench-", dir="/tmp") as home:
        folder = Path(home)
        folder.chmod(0o755)  # where root runs this, the server is another user's
        with EmbeddedServer(folder / "server", bindir=embedded_bindir()) as server:
            yield server, folder


def administer(server: EmbeddedServer, *statements: sql.Composed | sql.SQL) -> None:
    """Run statements about databases, each by itself."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
