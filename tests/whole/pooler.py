"""PgBouncer, Debian's, in transaction mode before a test's server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from tests.whole.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

# Strict about what clients send at the start, as it is by default.
_SETTINGS = """\
[databases]
* = host={host} port={port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
admin_users = postgres
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
query_wait_timeout = 30
server_login_retry = {server_login_retry}
logfile = {folder}/log
pidfile = {folder}/pid
"""


class Pooler:
    """A running PgBouncer."""

    def __init__(self, port: int) -> None:
        self._port = port

    def to(self, conninfo: str) -> str:
        """The way to the same database by way of the pooler."""
        dbname = conninfo_to_dict(conninfo)["dbname"]
        return make_conninfo(host="127.0.0.1", port=self._port, user="postgres", dbname=dbname)

    def show(self, what: str, database: str) -> list[dict[str, Any]]:
        """What its console says of a database: `SERVERS`, `CLIENTS`, `POOLS`."""
        with psycopg.connect(
            self.to("dbname=pgbouncer"), autocommit=True, row_factory=dict_row
        ) as console:
            # It understands the simple protocol only.
            rows = psycopg.ClientCursor(console, row_factory=dict_row).execute(f"SHOW {what}")
            name = conninfo_to_dict(database)["dbname"]
            return [row for row in rows if row["database"] == name]


@contextmanager
def pooler(conninfo: str, *, pool_size: int, server_login_retry: float = 15) -> Iterator[Pooler]:
    """A PgBouncer before the server of that connection string, on a free port.

    After it failed to connect, it refuses its clients for `server_login_retry` seconds.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "install Debian's package pgbouncer"
    target = conninfo_to_dict(conninfo)
    folder = Path(tempfile.mkdtemp(prefix="catalog-pooler-"))
    port = free_port()
    (folder / "pgbouncer.ini").write_text(
        _SETTINGS.format(
            host=target["host"],
            port=target.get("port", 5432),
            listen_port=port,
            pool_size=pool_size,
            server_login_retry=server_login_retry,
            folder=folder,
        )
    )
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        # It refuses to run as root; the server's user may enter the folder of its socket.
        owner = Path(str(target["host"])).stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        options = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    process = subprocess.Popen(
        [program, "--quiet", folder / "pgbouncer.ini"], stdin=subprocess.DEVNULL, **options
    )
    try:
        found = Pooler(port)
        _wait_until_it_answers(found, process)
        yield found
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait_until_it_answers(found: Pooler, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(found.to("dbname=pgbouncer")).close()
        except psycopg.OperationalError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return
