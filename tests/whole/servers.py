"""Servers that ask for a password, over TCP and over TLS, and places where there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg import sql

from catalog.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PASSWORD = "S3cr3t/@:%?# 'x'"
"""Needs percent-encoding wherever it can; no output may ever show it."""


@dataclass(frozen=True)
class Address:
    """How to reach a server that asks for a password."""

    host: str
    port: int
    dbname: str = "catalog"
    user: str = "owner"
    password: str = PASSWORD
    options: str = ""
    """Parameters of the URL."""

    @property
    def url(self) -> str:
        """The URL that a user would be given."""
        who = f"{self.user}:{quote(self.password, safe='')}"
        return f"postgresql://{who}@{self.host}:{self.port}/{self.dbname}?{self.options}"

    def but(self, **changes: str | int) -> Address:
        """The same with something else in one place."""
        return replace(self, **changes)  # type: ignore[arg-type]


@contextmanager
def password_server(
    bindir: Path,
    *,
    initdb_options: Sequence[str],
    rules: str = "host all all all scram-sha-256",
    settings: Mapping[str, str] | None = None,
    files: Mapping[str, Path] | None = None,
) -> Iterator[tuple[EmbeddedServer, Address]]:
    """A server on a free TCP port, whose user `owner` has a password; the socket needs none.

    `rules` are lines of `pg_hba.conf`; `files` are settings that name a file, which the server's
    user gets a copy of.
    """
    home = Path(tempfile.mkdtemp(prefix="catalog-server-"))
    home.chmod(0o755)
    (home / "pg_hba.conf").write_text(f"local all postgres trust\n{rules}\n")
    copies = {"hba_file": home / "pg_hba.conf"}
    for name, file in (files or {}).items():
        copies[name] = Path(shutil.copy(file, home))
    for copy in copies.values():
        copy.chmod(0o600 if copy.suffix == ".key" else 0o644)
        if os.geteuid() == 0:
            shutil.chown(copy, server_user())
    port = free_port()
    server = EmbeddedServer(
        home,
        bindir=bindir,
        initdb_options=initdb_options,
        settings={
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            **{name: str(copy) for name, copy in copies.items()},
            "fsync": "off",
            **(settings or {}),
        },
    )
    try:
        with server:
            with psycopg.connect(server.conninfo, port=port, autocommit=True) as connection:
                create = "CREATE ROLE owner LOGIN SUPERUSER PASSWORD {}"
                connection.execute(sql.SQL(create).format(PASSWORD))
            yield server, Address("127.0.0.1", port)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def server_user() -> str:
    """Whom root runs servers as."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise AssertionError("there is no user to run a server as")


@contextmanager
def new_database(address: Address, name: str) -> Iterator[Address]:
    """An empty database on that server."""
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield address.but(dbname=name)
    finally:
        with psycopg.connect(address.url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


def free_port() -> int:
    """A port that refuses connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def make_certificate(folder: Path, *, name: str, address: str) -> tuple[Path, Path]:
    """A self-made certificate for a host name and an IP address, and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:{address}"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
