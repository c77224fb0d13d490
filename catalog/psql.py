"""`bin/psql`: `psql` on the configured database, the machine's own or the embedded one.

The connection goes by environment variables: on a command line, everybody on the machine could
read the password. Arguments, standard input and exit status are psql's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from psycopg import pq
from psycopg.conninfo import make_conninfo

from catalog.embedded import embedded_bindir, embedded_database
from catalog.errors import CatalogError, SettingsError
from catalog.settings import ROOT, DatabaseUrl, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SECRETS = ("sslpassword", "oauth_client_secret")  # these have no environment variable
_ASKS_FOR_TLS = {
    "sslmode": ("require", "verify-ca", "verify-full"),
    "channel_binding": ("require",),
    "sslnegotiation": ("direct",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run psql and return its exit status; 1 if it could not be run."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        url = load_settings().database
        if url is None:
            with embedded_database() as server:
                own = DatabaseUrl(server.conninfo, "the embedded server")
                return _wait_for(own, server.bindir, arguments)
        bindir = None if _own_psql() else embedded_bindir()
        command, environment = _command(url, bindir, arguments)
    except CatalogError as exc:
        print(exc, file=sys.stderr)
        return 1
    if bindir and _asks_for_tls(url):
        print(
            f"{url.origin} asks for TLS, which the embedded psql does not have; install psql"
            " (Debian: postgresql-client, Homebrew: libpq), or use bin/migrate seed",
            file=sys.stderr,
        )
        return 1
    return _become(command, environment)


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    os.execve(command[0], command, environment)  # noqa: S606  # no shell is meant


def _wait_for(url: DatabaseUrl, bindir: Path, arguments: Sequence[str]) -> int:
    """Run psql as a child, because the embedded server has to be let go of afterwards."""
    command, environment = _command(url, None if _own_psql() else bindir, arguments)
    # Ctrl-C is psql's; it cancels a query with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(command, env=environment) as psql:
        signal.signal(signal.SIGTERM, lambda *_: psql.terminate())
        status = psql.wait()
    return status if status >= 0 else 128 - status


def _command(
    url: DatabaseUrl, bindir: Path | None, arguments: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment that lead psql to the database."""
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar
    }
    named = url.parameters
    environment = {
        **os.environ,
        **{variables[name]: value for name, value in named.items() if name in variables},
    }
    if "service" not in named:
        # libpq would take it for more important than what the string says.
        environment.pop("PGSERVICE", None)
    rest = {name: value for name, value in named.items() if name not in variables}
    if secret := next((name for name in _SECRETS if name in rest), None):
        raise SettingsError(
            f"{url.origin} has {secret}, which psql takes only where others can read it",
            "put it into a service file (pg_service.conf), and use bin/migrate seed meanwhile",
        )
    program = str(bindir / "psql") if bindir else str(_own_psql())
    return [program, *(["-d", make_conninfo("", **rest)] if rest else []), *arguments], environment


def _own_psql() -> str | None:
    """The machine's `psql`, not this command, which may be on PATH as well."""
    elsewhere = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder and Path(folder).resolve() != ROOT / "bin"
    ]
    return shutil.which("psql", path=os.pathsep.join(elsewhere))


def _asks_for_tls(url: DatabaseUrl, environ: Mapping[str, str] = os.environ) -> bool:
    named = url.parameters
    return any(
        named.get(name, environ.get(f"PG{name.replace('_', '').upper()}")) in values
        for name, values in _ASKS_FOR_TLS.items()
    )


if __name__ == "__main__":
    sys.exit(main())
