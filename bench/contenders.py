"""Who is measured: this project, what people would use instead, and the limits of our own.

Each is one process on a port of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from bench.packages import PEERS, SEQUELIZE, installed
from catalog.settings import ROOT
from tests.whole.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READY = 30  # seconds to start in


@dataclass(frozen=True)
class Contender:
    """One who is measured."""

    name: str
    title: str
    command: tuple[str, ...]
    source: Path | None = None
    """The folder with its code and its lock, if it has packages of its own."""
    environment: dict[str, str] = field(default_factory=dict)
    own_rendering: bool = False
    """Whether it writes the same data in other bytes."""
    is_limit: bool = False
    """Whether it is ours, with less to do."""

    def set_up(self) -> Path:
        """Return where it runs, with its packages."""
        return installed(self.source) if self.source else ROOT


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("catalog", "this project", (sys.executable, "-m", "catalog.serve")),
        Contender(
            "express",
            "Express + Sequelize",
            ("node", "server.js"),
            source=SEQUELIZE,
            environment={"NODE_ENV": "production"},
        ),
        Contender(
            "fastify",
            "Fastify + pg, prepared",
            ("node", "server.js"),
            source=PEERS / "fastify",
            environment={"NODE_ENV": "production"},
        ),
        Contender(
            "fastapi",
            "FastAPI + asyncpg",
            ("venv/bin/python", "main.py"),
            source=PEERS / "fastapi",
            own_rendering=True,
        ),
        Contender(
            "constant",
            "a constant body",
            (sys.executable, "-m", "bench.api.limits", "constant"),
            is_limit=True,
        ),
        Contender(
            "alone",
            "a query for each",
            (sys.executable, "-m", "bench.api.limits", "alone"),
            is_limit=True,
        ),
    )
}

OURS = "catalog"
OTHERS = [name for name, one in CONTENDERS.items() if name != OURS and not one.is_limit]


@dataclass(frozen=True)
class Running:
    """One that serves."""

    contender: Contender
    url: str
    pid: int


@contextmanager
def running(contender: Contender, conninfo: str) -> Iterator[Running]:
    """Start it on that database, and wait until it takes connections."""
    named = conninfo_to_dict(conninfo)
    where = {name: str(named[name]) for name in ("host", "user", "dbname")}
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "DATABASE_URL": conninfo,
        "PGHOST": where["host"],
        "PGUSER": where["user"],
        "PGDATABASE": where["dbname"],
        "DB_HOST": where["host"],
        "DB_USER": where["user"],
        "DB_NAME": where["dbname"],
        **contender.environment,
    }
    process = subprocess.Popen(
        contender.command, cwd=contender.set_up(), env=environment, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _READY
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{contender.title} does not start")
                time.sleep(0.1)
        yield Running(contender, f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait()
