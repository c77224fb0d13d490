"""A scratch database: made for one command, gone after it, and never the target's.

By default it is on an embedded server of its own, with its data in `.catalog/scratch`: what a
migration does to roles, which all databases of a server share, reaches nobody's data there. Only
one command at a time uses that server, so that everything it finds there is left over.

Elsewhere a left-over is told by its name, and by nobody being there for it: each command has a
connection, as long as it lives, whose `application_name` is that of its database.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.database import connect
from catalog.errors import DatabaseUnavailable, EmbeddedServerError, ScratchUnavailable
from catalog.migrations.events import Waiting
from catalog.migrations.session import Target
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catalog.embedded import EmbeddedServer
    from catalog.errors import ScriptFailed
    from catalog.migrations.events import Event
    from catalog.settings import DatabaseUrl

_PREFIX = "catalog_scratch_"
_NAME = r"^catalog_scratch_[0-9a-f]{32}$"
_HOME = ROOT / ".catalog/scratch"

# Nothing there outlives the command, so nothing has to reach the disk.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# libpq would fill in what is not said from variables that speak of other servers.
_SAYS_IT_ALL = {
    "port": "5432",
    "hostaddr": "",
    "options": "",
    "sslmode": "disable",
    "channel_binding": "disable",
    "require_auth": "",
    "target_session_attrs": "any",
}

_LEFT_OVER = """
    SELECT datname
      FROM pg_database
     WHERE datname ~ %(name)s
       AND datdba IN (SELECT oid FROM pg_roles WHERE pg_has_role(oid, 'USAGE'))
       AND NOT EXISTS (SELECT
                         FROM pg_stat_activity AS other
                        WHERE pg_database.datname IN (other.datname, other.application_name))
"""

_ROLES_MADE_SINCE = """
    SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user
"""

_OTHER_DATABASES = """
    SELECT datname
      FROM pg_database
     WHERE datname NOT IN ('postgres', 'catalog') AND NOT datistemplate
"""

# Settings of roles, databases and of the server, and what belongs to no database.
_SPOILT = """
    SELECT EXISTS (SELECT FROM pg_db_role_setting)
        OR EXISTS (SELECT FROM pg_parameter_acl)
        OR EXISTS (SELECT FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf')
        OR EXISTS (SELECT FROM pg_tablespace WHERE spcname !~ '^pg_')
        OR EXISTS (SELECT FROM pg_database WHERE datistemplate AND datname !~ '^template[01]$')
"""

_MISSING_EXTENSION = re.compile(r'extension "(.+?)" is not available|extension/(.+?)\.control"')
_ROLE_IS_THERE = re.compile(r'role "(.+)" already exists')
_MISSING_ROLE = re.compile(r'role "(.+)" does not exist')


@dataclass(frozen=True)
class Scratch:
    """An empty database to try things in."""

    target: Target
    version: int
    """Of the server, as in `server_version_num`."""
    own: bool
    """Whether the server is there for this alone."""
    _name: str
    _maintenance: psycopg.Connection

    def _refuse_roles(self, failure: ScriptFailed, missing: re.Match[str] | None) -> None:
        path, said = failure.script.path, failure.report.message
        if missing:
            raise ScratchUnavailable(
                f'{path} needs the role "{missing[1]}", which the scratch server does not have',
                f'make it there: CREATE ROLE "{missing[1]}"',
            ) from failure
        if there := _ROLE_IS_THERE.fullmatch(said):
            raise ScratchUnavailable(
                f'{path} makes the role "{there[1]}", which the scratch server has already (roles'
                " belong to a server, and outlive a scratch database)",
                f'drop it there: DROP ROLE "{there[1]}", or leave --scratch-url away',
            ) from failure

    def renew(self) -> None:
        """Make it empty again, whoever is still connected to it."""
        _drop(self._maintenance, self._name)
        if self.own:
            _drop_roles(self._maintenance)
        _create(self._maintenance, self._name, self.target)

    def connect(self) -> psycopg.Connection:
        """Another connection to it, in autocommit."""
        return _connect(self.target, "catalog-scratch")

    def refuse_missing_extension(self, failure: ScriptFailed) -> None:
        """See that a failure is not for want of an extension, which is nobody's fault here.

        Raises:
            ScratchUnavailable: It is.
        """
        if missing := _MISSING_EXTENSION.search(failure.report.message):
            raise ScratchUnavailable(
                f'{failure.script.path} needs the extension "{missing[1] or missing[2]}", which the'
                f" scratch server (Postgres {self.version // 10000}) does not have",
                "name a server that has it with --scratch-url",
            ) from failure

    def make_role_for(self, failure: ScriptFailed) -> str | None:
        """Make the role whose absence was the failure, on a server of our own; else `None`.

        Migrations that grant something take it that somebody has made the roles of a server.

        Raises:
            ScratchUnavailable: On another server a role is missing, or is there already.
        """
        missing = _MISSING_ROLE.fullmatch(failure.report.message)
        if not self.own:
            self._refuse_roles(failure, missing)
            return None
        if not missing:
            return None
        self._maintenance.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(missing[1])))
        return missing[1]


@contextmanager
def scratch_database(
    url: DatabaseUrl | None, *, wait: float, tell: Callable[[Event], None]
) -> Iterator[Scratch]:
    """An empty database on the server of that URL, or on the embedded one.

    `wait` is how long, in seconds, to wait for each thing that may come back.

    Raises:
        ScratchUnavailable: No embedded server is installed, another command uses it for too long,
            or no database may be created.
        DatabaseUnavailable: There is no connection to the server.
    """
    with ExitStack() as stack:
        if url is None:
            server = stack.enter_context(_own_server(wait=wait, tell=tell))
        else:
            server = Target(url.conninfo, url.origin, url.place)
        name = f"{_PREFIX}{uuid.uuid4().hex}"
        maintenance = stack.enter_context(_connect(server, name, wait=wait))
        if url is not None:
            _clear(maintenance)
        _create(maintenance, name, server)
        stack.callback(_leave, maintenance, name)
        target = replace(server, conninfo=make_conninfo(server.conninfo, dbname=name))
        version = maintenance.info.server_version
        yield Scratch(target, version, url is None, name, maintenance)


@contextmanager
def _own_server(*, wait: float, tell: Callable[[Event], None]) -> Iterator[Target]:
    from catalog.embedded import EmbeddedServer, embedded_bindir

    try:
        bindir = embedded_bindir()
    except EmbeddedServerError as exc:
        raise ScratchUnavailable(
            "there is no server for a scratch database: the embedded Postgres is not installed",
            "name one with --scratch-url, or run bin/setup embedded",
        ) from exc
    server = EmbeddedServer(_HOME, bindir=bindir, settings=_FAST)
    with _alone(_HOME, wait=wait, tell=tell), ExitStack() as stack:
        try:
            conninfo = _cleared(stack.enter_context(server))
        except (EmbeddedServerError, DatabaseUnavailable, psycopg.Error, _Spoilt):
            # What migrations did to the whole server, no command can undo: it is made anew.
            stack.close()
            shutil.rmtree(server.data, ignore_errors=True)
            conninfo = _cleared(stack.enter_context(server))
        yield Target(conninfo, "the embedded server", f"a scratch database in {server.data}")


class _Spoilt(Exception):
    """Something is left on the server that would meet the next command."""


def _cleared(server: EmbeddedServer) -> str:
    """How to connect to a server of our own, once nothing of an earlier command is there.

    Raises:
        _Spoilt, psycopg.Error: Something cannot be removed.
    """
    conninfo = make_conninfo(server.conninfo, dbname="postgres", **_SAYS_IT_ALL)
    target = Target(conninfo, "the embedded server", server.place)
    with _connect(target, "catalog-scratch") as connection:
        for (name,) in connection.execute(_OTHER_DATABASES).fetchall():
            _drop(connection, name)
        _drop_roles(connection)
        if connection.execute(_SPOILT).fetchone() == (True,):
            raise _Spoilt
    return conninfo


@contextmanager
def _alone(home: Path, *, wait: float, tell: Callable[[Event], None]) -> Iterator[None]:
    """Be the only command that uses the server of that folder."""
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    deadline, told = time.monotonic() + wait, False
    with (home / "alone").open("a") as lock:
        while not _locked(lock):
            if time.monotonic() >= deadline:
                raise ScratchUnavailable(
                    f"another command uses the scratch server (waited {wait:g} s)",
                    "try again when it is done, or wait longer with --wait",
                )
            if not told:
                tell(Waiting("another command that uses the scratch server"))
                told = True
            time.sleep(0.1)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _connect(target: Target, name: str, *, wait: float = 10) -> psycopg.Connection:
    return connect(
        target.conninfo,
        origin=target.origin,
        place=target.place,
        application_name=name,
        wait=wait,
        on_wait=lambda _: None,
    )


def _clear(maintenance: psycopg.Connection) -> None:
    """Remove what killed commands left."""
    for (name,) in maintenance.execute(_LEFT_OVER, {"name": _NAME}).fetchall():
        _drop(maintenance, name)


def _drop_roles(maintenance: psycopg.Connection) -> None:
    """Remove all but the first: they belong to the server, and outlive their database."""
    for (role,) in maintenance.execute(_ROLES_MADE_SINCE).fetchall():
        maintenance.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _create(maintenance: psycopg.Connection, name: str, server: Target) -> None:
    try:
        maintenance.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ScratchUnavailable(
            f"no scratch database can be made on {server.place}: permission denied",
            f"let the user in {server.origin} create databases, or name another server",
        ) from exc


def _leave(maintenance: psycopg.Connection, name: str) -> None:
    # What cannot be dropped now, the next command clears away.
    with suppress(psycopg.Error):
        _drop(maintenance, name)


def _drop(maintenance: psycopg.Connection, name: str) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    maintenance.execute(drop.format(sql.Identifier(name)))
