"""Who is measured: this project, what people would use instead, and the limits of our own.

Each is one process on a port of its own. The packages of the others are under `bench/.cache`, set
up on first use as their locks say.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from catalog.settings import ROOT
from tests.whole.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CACHE = ROOT / "bench/.cache"
PEERS = ROOT / "bench/peers"

_READY = 30  # seconds to start in


@dataclass(frozen=True)
class Contender:
    """One who is measured."""

    name: str
    title: str
    command: tuple[str, ...]
    folder: Path = ROOT
    source: Path | None = None
    """The folder with its code and its lock, of which `folder` is a copy with the packages."""
    environment: dict[str, str] = field(default_factory=dict)
    own_rendering: bool = False
    """Whether it writes the same data in other bytes."""

    def set_up(self) -> None:
        """Install its packages, unless they are there."""
        if self.source is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        [lock] = (
            path
            for path in self.source.iterdir()
            if path.name in ("package-lock.json", "requirements.lock")
        )
        stamp = self.folder / "installed.lock"
        is_new = not stamp.exists() or stamp.read_bytes() != lock.read_bytes()
        shutil.copytree(self.source, self.folder, dirs_exist_ok=True, ignore=_NOT_OURS)
        if is_new:
            print(f"setting up {self.title}", file=sys.stderr, flush=True)
            for command in _INSTALL[lock.name]:
                subprocess.run(command, cwd=self.folder, check=True, stdout=sys.stderr)
            shutil.copy(lock, stamp)


_NOT_OURS = shutil.ignore_patterns("node_modules", "__pycache__")
_INSTALL = {
    "package-lock.json": [["npm", "ci", "--no-audit", "--no-fund"]],
    "requirements.lock": [
        [sys.executable, "-m", "venv", "venv"],
        ["venv/bin/pip", "install", "-q", "--require-hashes", "-r", "requirements.lock"],
    ],
}

CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("catalog", "this project", (sys.executable, "-m", "catalog.serve")),
        Contender(
            "express",
            "Express + Sequelize",
            ("node", "server.js"),
            folder=CACHE / "express",
            source=ROOT / "tests/whole/sequelize",
            environment={"NODE_ENV": "production"},
        ),
        Contender(
            "fastify",
            "Fastify + pg, prepared",
            ("node", "server.js"),
            folder=CACHE / "fastify",
            source=PEERS / "fastify",
            environment={"NODE_ENV": "production"},
        ),
        Contender(
            "fastapi",
            "FastAPI + asyncpg",
            ("venv/bin/python", "main.py"),
            folder=CACHE / "fastapi",
            source=PEERS / "fastapi",
            own_rendering=True,
        ),
        Contender(
            "constant", "a constant body", (sys.executable, "-m", "bench.limits", "constant")
        ),
        Contender("alone", "a query for each", (sys.executable, "-m", "bench.limits", "alone")),
    )
}


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
        contender.command, cwd=contender.folder, env=environment, stdout=subprocess.DEVNULL
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
