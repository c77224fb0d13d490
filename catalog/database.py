"""Opening connections: with patience for what passes, and plain words for what does not."""

from __future__ import annotations

import math
import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors, generators, pq
from psycopg.conninfo import conninfo_to_dict

from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

_ATTEMPT_TIMEOUT = 15  # seconds; Neon asks for 10 to 15 where a database may have to wake up

# A network that swallows packets looks like a statement that takes long. These find out within
# half a minute; what the connection string says of them comes first.
_KEEPALIVE = {
    "keepalives_idle": "10",  # seconds of silence before the first probe
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds that what was sent may stay unacknowledged
}

# A failed connection has no SQLSTATE, only the words of libpq, the server or a pooler.
_PASSING = re.compile(
    r"""
      Connection\ refused | timeout\ expired | timed\ out | No\ such\ file\ or\ directory
    | server\ closed\ the\ connection | Connection\ reset | Broken\ pipe
    | No\ route\ to\ host | Network\ is\ (unreachable|down) | Host\ is\ down
    | is\ starting\ up | is\ shutting\ down | recovery\ mode | not\ yet\ accepting
    | not\ accept\ connections | consistent\ recovery\ state | terminating\ connection
    | too\ many\ (clients|connections) | connection\ slots | no\ more\ connections
    | SSL\ SYSCALL\ error | SSL\ connection\ has\ been\ closed | unexpected\ eof
    | connect\ to\ compute\ node | control\ plane | query_wait_timeout
    | server\ login\ has\ been\ failing | pgbouncer\ cannot\ connect | server\ conn\ crashed
    """,
    re.VERBOSE | re.IGNORECASE,
)

_ADVICE = (
    (r"could not translate host name|resolve host", "check the host in {origin}"),
    (
        r"password authentication failed|no password supplied|SASL|SCRAM",
        "check the user and password in {origin} (special characters percent-encoded)",
    ),
    (
        r'database ".*" does not exist',
        "check the name at the end of {origin}, or create it: CREATE DATABASE …",
    ),
    (r'role ".*" does not exist', "check the user in {origin}"),
    (r"certificate", "check sslmode and sslrootcert in {origin}, and the server's certificate"),
    (r"SSL|TLS|pg_hba", "check sslmode in {origin}; a server elsewhere may ask for require"),
    (r"channel binding", "check channel_binding in {origin}"),
    (r"invalid .* value|invalid port", "correct it in {origin}"),
)


def connect(
    conninfo: str,
    *,
    origin: str,
    place: str,
    application_name: str,
    wait: float,
    on_wait: Callable[[str], None],
) -> psycopg.Connection:
    """Open an autocommit connection, waiting for a database that sleeps or restarts.

    `wait` is in seconds; `on_wait` is told the cause once, when the waiting begins. `origin` and
    `place` are the words for the connection string and for what it leads to.

    Raises:
        DatabaseUnavailable: At once for what only a person can mend, else after `wait`.
    """
    deadline = time.monotonic() + wait
    delay, told = 0.1, False
    given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value}
    own = given.get("connect_timeout", "")
    own_timeout = int(own) if own.isdigit() and int(own) > 0 else _ATTEMPT_TIMEOUT
    keepalive = {name: value for name, value in _KEEPALIVE.items() if name not in given}
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            return psycopg.connect(
                conninfo,
                autocommit=True,
                prepare_threshold=None,
                client_encoding="utf8",
                application_name=application_name,
                connect_timeout=max(1, min(own_timeout, math.ceil(left))),
                **keepalive,  # type: ignore[arg-type]
            )
        except psycopg.Error as exc:
            cause = connection_failure(exc)
            if not _PASSING.search(cause):
                raise DatabaseUnavailable(
                    f"cannot connect to {place}: {cause}",
                    _advice(cause).format(origin=origin),
                    passing=False,
                ) from exc
            if time.monotonic() >= deadline:
                raise DatabaseUnavailable(
                    f"cannot connect to {place}: {cause} (waited {wait:g} s)",
                    f"start it, check the host and port in {origin}, or wait longer with --wait",
                    passing=True,
                ) from exc
            if not told:
                on_wait(cause)
                told = True
        jittered = delay * random.uniform(0.8, 1.2)  # noqa: S311
        time.sleep(min(jittered, max(0.0, deadline - time.monotonic())))
        delay = min(delay * 2, 2.0)


def connection_failure(exc: BaseException) -> str:
    """The cause of a failed connection in one line, in the words of libpq or the server."""
    first = str(exc).strip().partition("\n")[0]
    first = re.sub(r"^connection (failed|is bad): (error: )?", "", first).strip()
    return re.sub(r"^(connection to server.*?) failed: ", r"\1: ", first) or type(exc).__name__


def _advice(cause: str) -> str:
    for pattern, advice in _ADVICE:
        if re.search(pattern, cause):
            return advice
    return "check {origin}"


@dataclass(frozen=True)
class Reply:
    """What the server answered to one message of statements."""

    tags: list[str]
    """The command tags (such as `INSERT 0 3`) of the statements that were carried out."""
    rowsets: list[list[tuple[str | None, ...]]]
    """What those that return rows returned, as text."""
    error: psycopg.Error | None
    """Why the next one was not."""
    returning: list[int] = field(default_factory=list)
    """The numbers, from 0, of the statements that these rows are of."""

    @property
    def lost(self) -> bool:
        """Whether there is no telling what happened, because the connection broke."""
        # The class 57P0x is the server's goodbye, after which it closes the connection.
        error = self.error
        return error is not None and (error.sqlstate or "57P0").startswith("57P0")

    def rows_of(self, number: int) -> list[tuple[str | None, ...]]:
        """The rows of the statement of that number, from 0; none if it returned none."""
        return self.rowsets[self.returning.index(number)] if number in self.returning else []

    def rows(self) -> list[tuple[str | None, ...]]:
        """The rows of the last statement that returned any.

        Raises:
            psycopg.Error: A statement failed.
        """
        if self.error:
            raise self.error
        return self.rowsets[-1] if self.rowsets else []


def send(connection: psycopg.Connection, message: str) -> Reply:
    """Send statements as one message by the simple query protocol: one round trip.

    The server reads the whole message first, then runs it statement by statement, and passes
    over what follows a failure. psycopg's `execute` does the same, but does not tell how far
    the server came.
    """
    tags: list[str] = []
    rowsets: list[list[tuple[str | None, ...]]] = []
    returning: list[int] = []
    with connection.lock:
        try:
            connection.pgconn.send_query(message.encode())
            results = connection.wait(generators.execute(connection.pgconn))
        except psycopg.OperationalError as exc:
            return Reply(tags, rowsets, exc, returning)
    for result in results:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            error = errors.error_from_result(result, encoding="utf-8")
            return Reply(tags, rowsets, error, returning)
        tags.append((result.command_status or b"").decode())
        if result.status == pq.ExecStatus.TUPLES_OK:
            returning.append(len(tags) - 1)
            rowsets.append(
                [
                    tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
                    for row in range(result.ntuples)
                ]
            )
    return Reply(tags, rowsets, None, returning)


def _text(value: bytes | None) -> str | None:
    # A script may have changed the encoding, and its own rows are of no interest.
    return None if value is None else value.decode(errors="replace")
