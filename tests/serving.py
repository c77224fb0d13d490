"""The service, started for a test as it is in earnest: a real uvicorn, on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.api.app import create_app
from catalog.http import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.types import ASGIApp

    from catalog.api.health import Pending
    from catalog.embedded import EmbeddedServer

# With more threads than connections that it keeps (20, usually), one of them closes as superfluous
# what another one has just been given: "Bad file descriptor" (httpcore 1.0.9).
_NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


@contextmanager
def served(conninfo: str, *, pending: Pending | None = None) -> Iterator[httpx.Client]:
    """A client of the service on that database."""
    with running(create_app(conninfo, pending=pending)) as port:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=40, limits=_NO_LIMITS) as client:
            yield client


@contextmanager
def running(app: ASGIApp) -> Iterator[int]:
    """A server that runs that application, and its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        port: int = listener.getsockname()[1]
        server = Server(app)
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.002)
            yield port
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
