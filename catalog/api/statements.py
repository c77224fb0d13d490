"""Sending one statement and reading its rows: within limits, prepared where that works.

Each query goes with `queries.LIMITS` before it, in one message and so in one transaction, which
ends with it: what a pooler hands on to others is as it was. That is one round trip, and neither a
parameter of the connection nor a setting of the session, both of which transaction poolers refuse.

psycopg's cursors do not do this, and they stream without preparing. And they number the statements
that they prepare, so that behind a pooler one client's number means another's statement; here a
name says what the statement is, and can mean nothing else.
"""

from __future__ import annotations

import re
from asyncio import CancelledError, timeout
from collections import deque
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import AsyncConnection, errors, generators, pq, waiting
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import TupleRow

from catalog.api import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.abc import RV, Buffer, PQGen
    from psycopg.pq.abc import PGconn, PGresult

NOT_CARRIED = ("26000", "42P05")
"""The SQLSTATEs of a prepared statement that is not there, or is there already: a pooler gives the
server's connections now to one client and now to another, and does not know of them."""

_GOOD = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)

_PATIENCE = 2.0  # seconds, for a query that is given up to end
_IN_TIME = 0.9  # of the time that is left: the server's own end of a query has to arrive, too


class Connection(AsyncConnection[TupleRow]):
    """A connection that knows what is prepared on it, and lets `told` know if it could be made."""

    prepared: set[bytes]
    ahead: deque[bytes | None]
    """An item for each result that comes ahead of a query's own: what it is that is prepared then,
    if anything."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Connection:
        """Connect, and let `told` know."""
        told: Callable[[psycopg.Error | None], None] = kwargs.pop("told")
        try:
            connection = await super().connect(conninfo, **kwargs)
        except psycopg.Error as exc:
            told(exc)
            raise
        told(None)
        connection.prepared = set()
        connection.ahead = deque()
        return connection

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 (psycopg's signature)
    ) -> RV:
        """Wait for an answer; who is cancelled meanwhile has to `stop` the query, or close.

        psycopg would stop it here and now, for as long as ten seconds if the server is silent.
        """
        return await waiting.wait_async(gen, self.pgconn.socket, interval, timeout)


class Rows:
    """The rows of a query that is under way, as many at a time as `send` was told."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._over = False

    async def next(self) -> PGresult | None:
        """Return some more rows, and `None` after the last.

        Raises:
            psycopg.Error: The query fails, or the connection.
        """
        if self._over:
            return None
        result = await self._connection.wait(_next(self._connection.pgconn))
        if result and result.status == pq.ExecStatus.TUPLES_CHUNK:
            return result
        # Either an error, or the end of the rows, which is an empty result.
        self._over = True
        _check(self._connection, result)
        return None


async def send(
    connection: Connection,
    query: bytes,
    parameters: Sequence[object] | None,
    *,
    prepare: bool,
    seconds: float,
    rows_at_once: int,
) -> Rows:
    """Send a query with `%s` for its parameters. It cannot write, nor run on after `seconds`.

    Raises:
        psycopg.Error: It cannot be prepared, or the connection is dead.
    """
    _queue(connection, query, parameters, prepare, seconds)
    _check(connection, await connection.wait(_read_ahead(connection)))
    connection.pgconn.set_chunked_rows_mode(rows_at_once)
    return Rows(connection)


async def value(
    connection: Connection,
    query: bytes,
    parameters: Sequence[object] | None,
    *,
    prepare: bool,
    seconds: float,
) -> bytes:
    """The one value that a query returns, sent as by `send`; nothing for no row or null."""
    _queue(connection, query, parameters, prepare, seconds)
    result = await connection.wait(_read_all(connection))
    _check(connection, result)
    return (result.get_value(0, 0) or b"") if result and result.ntuples else b""


async def stop(connection: Connection) -> None:
    """Leave what a query has left unread, and the connection fit for another one, or else closed.

    For one whose rows were read to the end, or which failed, this does nothing.
    """
    if connection.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
        return
    try:
        await connection.cancel_safe(timeout=_PATIENCE)
        async with timeout(_PATIENCE):
            await connection.wait(_read_ahead(connection))
            await connection.wait(_read_off(connection.pgconn))
    except (psycopg.Error, TimeoutError):
        await connection.close()
    except CancelledError:
        await connection.close()  # there is no time for more
        raise


def _queue(
    connection: Connection,
    query: bytes,
    parameters: Sequence[object] | None,
    prepare: bool,
    seconds: float,
) -> None:
    """Queue a query to be sent, and what goes before it."""
    pgconn = connection.pgconn
    limit = b"%d" % max(1, seconds * _IN_TIME * 1000)
    transformer = Transformer(connection)
    values = transformer.dump_sequence(parameters or (), [PyFormat.AUTO] * len(parameters or ()))
    text = query if parameters is None else _numbered(query)
    pgconn.enter_pipeline_mode()
    connection.ahead.clear()
    _add(connection, prepare, _numbered(queries.LIMITS), [limit])
    _add(connection, prepare, text, values, transformer.types or (), transformer.formats)
    connection.ahead.pop()  # what it is all about
    pgconn.pipeline_sync()


def _add(
    connection: Connection,
    prepare: bool,
    text: bytes,
    values: Sequence[Buffer | None],
    types: tuple[int, ...] = (),
    formats: Sequence[pq.Format] | None = None,
) -> None:
    pgconn = connection.pgconn
    if prepare:
        name = _name(text, types)
        if name not in connection.prepared:
            pgconn.send_prepare(name, text, types or None)
            connection.ahead.append(name)
        pgconn.send_query_prepared(name, values, formats)
    else:
        pgconn.send_query_params(text, values, types or None, formats)
    connection.ahead.append(None)


def _read_ahead(connection: Connection) -> PQGen[PGresult | None]:
    """Send what is queued, and read what comes ahead; returns a result that is an error.

    Given up in the midst, it may be begun again.
    """
    pgconn = connection.pgconn
    yield from generators.send(pgconn)
    while connection.ahead and pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
        result: PGresult | None = yield from generators.fetch(pgconn)
        if not result:
            continue  # the end of the one before
        if result.status not in _GOOD:
            connection.ahead.clear()
            yield from _read_off(pgconn)
            return result
        if name := connection.ahead.popleft():
            connection.prepared.add(name)
    yield from generators.fetch(pgconn)  # the end of the last one
    return None


def _read_all(connection: Connection) -> PQGen[PGresult | None]:
    """Send what is queued, and read to the end; returns the result of the query, or an error."""
    return (yield from _read_ahead(connection)) or (yield from _next(connection.pgconn))


def _next(pgconn: PGconn) -> PQGen[PGresult | None]:
    """Read a result of the query, and if it is the last one, all that there is."""
    result: PGresult | None = yield from generators.fetch(pgconn)
    if not result or result.status != pq.ExecStatus.TUPLES_CHUNK:
        yield from _read_off(pgconn)
    return result


def _read_off(pgconn: PGconn) -> PQGen[None]:
    with suppress(psycopg.Error):  # a connection that breaks now says less than the last result
        # Nothing is the end of a statement; nothing once more is the end of them all.
        while (yield from generators.fetch(pgconn)) or (yield from generators.fetch(pgconn)):
            pass
        pgconn.exit_pipeline_mode()


def _check(connection: Connection, result: PGresult | None) -> None:
    if result and result.status not in _GOOD:
        raise errors.error_from_result(result, encoding=connection.info.encoding)


@lru_cache
def _numbered(query: bytes) -> bytes:
    """The query in Postgres' own notation: `$1` for the first `%s`, and `%` for `%%`."""
    count = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal count
        if match[0] == b"%%":
            return b"%"
        count += 1
        return b"$%d" % count

    return re.sub(b"%[s%]", replace, query)


@lru_cache
def _name(text: bytes, types: tuple[int, ...]) -> bytes:
    return b"catalog_" + sha256(text + repr(types).encode()).hexdigest()[:32].encode()
