"""The service, started for a test as it is in earnest: a real uvicorn, on a port of its own."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import psycopg
import uvicorn
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.api.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.embedded import EmbeddedServer

# With more threads than connections that it keeps (20, usually), one of them closes as superfluous
# what another one has just been given: "Bad file descriptor" (httpcore 1.0.9).
_NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


@contextmanager
def served(conninfo: str) -> Iterator[httpx.Client]:
    """A client of the service on that database."""
    config = uvicorn.Config(
        create_app(conninfo),
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.002)
        url = "http://127.0.0.1:{}".format(*server.servers[0].sockets[0].getsockname()[1:])
        with httpx.Client(base_url=url, timeout=40, limits=_NO_LIMITS) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def catalog_of(server: EmbeddedServer, template: str) -> Iterator[tuple[str, httpx.Client]]:
    """A copy of that database, for many tests that only read, and a client of a service on it."""
    name = f"test_{uuid.uuid4().hex}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            conninfo = make_conninfo(server.conninfo, dbname=name)
            with served(conninfo) as client:
                yield conninfo, client
        finally:
            connection.execute(drop.format(sql.Identifier(name)))


def insert(conninfo: str, table: str, *rows: Mapping[str, object]) -> None:
    """Put rows into a table; a column that a row does not name gets its default."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for row in rows:
            columns = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(["%s"] * len(row))
            statement = f'INSERT INTO "{table}" ({columns}) VALUES ({values})'
            connection.execute(statement.encode(), list(row.values()))
