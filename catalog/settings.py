"""The environment and `.env` turned into settings, and the rules for connection strings.

Both database variables come from the one source that sets `DATABASE_URL`: the command line,
else the environment, else `.env`. Mixing sources could migrate one database and serve another.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import dotenv
import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODE = Path(__file__).resolve().parent.parent

IS_CLONE = (_CODE / "bin/migrate").exists()
"""Whether this is the repository, and not a package that somebody installed."""

ROOT = _CODE if IS_CLONE else Path.cwd()
"""Where `.env`, `.catalog/` and `sql/` are: the repository; of a package, the current folder."""

COMMAND = "bin/migrate" if IS_CLONE else "migrate"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = "3000"
DEFAULT_REQUEST_TIMEOUT = "5"  # seconds

EXAMPLE_URL = "postgresql://user:password@host/database"


@dataclass(frozen=True)
class DatabaseUrl:
    """A connection string that libpq can read."""

    conninfo: str
    origin: str
    """Where it was set, in words: `DATABASE_URL in .env`."""

    pooled_host: str | None = None
    """The pooler that the string named before its host was replaced by the direct one."""

    @property
    def parameters(self) -> dict[str, str]:
        """The string's own values, by libpq's names; what it leaves out is not there."""
        return {
            name: str(value)
            for name, value in conninfo_to_dict(self.conninfo).items()
            if value not in (None, "")
        }

    @property
    def place(self) -> str:
        """The database and its host, for any output: there is no password in it."""
        named = self.parameters
        host = named.get("host") or named.get("hostaddr") or os.environ.get("PGHOST", "localhost")
        return f'database "{self.dbname}" on {host}'

    @property
    def dbname(self) -> str:
        """The database's name, by libpq's rules where the string has none."""
        named = self.parameters
        return (
            named.get("dbname")
            or os.environ.get("PGDATABASE")
            or named.get("user")
            or os.environ.get("PGUSER")
            or "(the user's own)"
        )


@dataclass(frozen=True)
class Settings:
    """What the commands need to know. Without a `database`, the embedded server is meant."""

    database: DatabaseUrl | None
    unpooled: DatabaseUrl | None
    host: str
    port_text: str
    migrations_table: str | None = None
    """Where the ledger is, if not in its usual place."""
    request_timeout_text: str = DEFAULT_REQUEST_TIMEOUT

    @property
    def port(self) -> int:
        """The TCP port to serve on; 0 lets the system choose.

        Raises:
            SettingsError: It is not a port. (Said only to those who want one.)
        """
        text = self.port_text
        if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
            return int(text)
        raise SettingsError(f'the port "{text}" is not one', "give a number from 0 to 65535")

    @property
    def request_timeout(self) -> float:
        """The seconds that a request waits for the database.

        Raises:
            SettingsError: It is no such number. (Said only to those who want one.)
        """
        text = self.request_timeout_text
        if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) and 0.1 <= float(text) <= 3600:
            return float(text)
        raise SettingsError(
            f'REQUEST_TIMEOUT is "{text}", which is no number of seconds',
            "give one from 0.1 to 3600, such as 5",
        )

    def migrations_database(self) -> DatabaseUrl | None:
        """Where migrations run: over a direct connection wherever one is known.

        A transaction pooler is no place for long DDL. Only Neon's spelling of a pooled host is
        understood; for others there is `DATABASE_URL_UNPOOLED`.

        Raises:
            SettingsError: The two variables name different databases.
        """
        if self.database is None:
            return None
        direct = _direct(self.database)
        if self.unpooled is None:
            return direct
        unpooled = _direct(self.unpooled)
        _check_same_database(direct, unpooled)
        return unpooled


def load_settings(
    *,
    database_url: str | None = None,
    host: str | None = None,
    port: str | None = None,
    environ: Mapping[str, str] = os.environ,
    dotenv_path: Path = ROOT / ".env",
) -> Settings:
    """Settings from the command line's values, else the environment, else `.env`.

    An empty variable in the environment means "none", and hides the one in `.env`.

    Raises:
        SettingsError: A value cannot be used.
    """
    from_file = _read_dotenv(dotenv_path)
    database, unpooled = _database_urls(database_url, environ, from_file)

    def variable(name: str) -> str | None:
        return environ.get(name, from_file.get(name))

    return Settings(
        database=database,
        unpooled=unpooled,
        host=host or variable("CATALOG_HOST") or DEFAULT_HOST,
        port_text=port or variable("PORT") or DEFAULT_PORT,
        migrations_table=variable("MIGRATIONS_TABLE") or None,
        request_timeout_text=(variable("REQUEST_TIMEOUT") or DEFAULT_REQUEST_TIMEOUT).strip(),
    )


def _database_urls(
    given: str | None, environ: Mapping[str, str], from_file: Mapping[str, str]
) -> tuple[DatabaseUrl | None, DatabaseUrl | None]:
    """The two connection strings, both from the one source that sets `DATABASE_URL`."""
    if given is not None:
        if not given.strip():
            raise SettingsError("--database-url is empty", f"write it as {EXAMPLE_URL}")
        return _database_url(given, "--database-url"), None
    if "DATABASE_URL" in environ:
        source, where = environ, "in the environment"
    elif "DATABASE_URL" in from_file:
        source, where = from_file, "in .env"
    elif environ.get("DATABASE_URL_UNPOOLED") or from_file.get("DATABASE_URL_UNPOOLED"):
        raise SettingsError(
            "DATABASE_URL_UNPOOLED is set, but DATABASE_URL is not", "set both, or DATABASE_URL"
        )
    else:
        return None, None
    url, unpooled = (
        _database_url(source[name], f"{name} {where}") if source.get(name, "").strip() else None
        for name in ("DATABASE_URL", "DATABASE_URL_UNPOOLED")
    )
    return url, unpooled


def direct_url(text: str, origin: str) -> DatabaseUrl:
    """A connection string from somewhere else, past Neon's pooler where it names that.

    Raises:
        SettingsError: It is none.
    """
    if not text.strip():
        raise SettingsError(f"{origin} is empty", f"write it as {EXAMPLE_URL}")
    return _direct(_database_url(text, origin))


def _database_url(text: str, origin: str) -> DatabaseUrl:
    """Check a connection string as far as it can be checked without a connection.

    A special character that was not percent-encoded in a password makes libpq see parts of the
    password as host, port or database, and repeat them in its messages: so nothing that looks
    like that gets past here, and no message quotes the string.
    """
    text = text.strip()
    malformed = SettingsError(
        f"{origin} is not a connection string that Postgres understands",
        f"write it as {EXAMPLE_URL}, with special characters in the password percent-encoded",
    )
    try:
        named = {name: str(value) for name, value in conninfo_to_dict(text).items() if value}
    except psycopg.ProgrammingError as exc:
        if meant := _option_meant(str(exc)):
            raise SettingsError(
                f"{origin} has a parameter that Postgres does not know", f"{meant} may be meant"
            ) from None
        raise malformed from None
    hosts, ports = named.get("host", ""), named.get("port", "")
    if any(sign in hosts + named.get("dbname", "") for sign in ("@", "://")) or not all(
        port == "" or (port.isascii() and port.isdigit()) for port in ports.split(",")
    ):
        raise malformed
    return DatabaseUrl(text, origin)


def _option_meant(message: str) -> str | None:
    """The option of libpq that an unknown one resembles.

    The unknown one is never repeated: where quoting went wrong, it is a piece of the password.
    """
    unknown = re.search(r'(?:query parameter|connection option)[^"]*"([^"]*)"', message)
    options = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    meant = difflib.get_close_matches(unknown[1], options, n=1, cutoff=0.8) if unknown else []
    return meant[0] if meant else None


def _direct(url: DatabaseUrl) -> DatabaseUrl:
    """The same database without Neon's pooler, where the host names it."""
    host = url.parameters.get("host", "")
    direct = ",".join(_direct_host(one) for one in host.split(","))
    if direct == host:
        return url
    return replace(url, conninfo=make_conninfo(url.conninfo, host=direct), pooled_host=host)


def _direct_host(host: str) -> str:
    # Neon: "the same host with -pooler appended to the endpoint id", its first DNS label.
    endpoint, dot, rest = host.partition(".")
    if _is_neon(host) and endpoint.endswith("-pooler"):
        return endpoint.removesuffix("-pooler") + dot + rest
    return host


def _is_neon(host: str) -> bool:
    return host.lower().rstrip(".").endswith(".neon.tech")


def _check_same_database(one: DatabaseUrl, other: DatabaseUrl) -> None:
    # Hosts are compared only where the direct name of a pooled one is known: elsewhere the
    # pooler of one database rightly has another name.
    hosts = [url.parameters.get("host", "").lower() for url in (one, other)]
    if one.dbname != other.dbname or (all(map(_is_neon, hosts)) and hosts[0] != hosts[1]):
        raise SettingsError(
            f"{one.origin} and {other.origin} name different databases: "
            f"{one.place}, and {other.place}",
            "let both name the same one",
        )


def _read_dotenv(path: Path) -> dict[str, str]:
    """The variables of `.env`, taken literally: as in the guide's Node, `$` means itself."""
    try:
        values = dotenv.dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}", "mend it or remove it") from exc
    return {name: value for name, value in values.items() if value is not None}
