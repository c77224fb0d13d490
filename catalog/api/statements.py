"""Sending one statement and reading its rows, prepared where that works, some at a time.

psycopg's cursors do all of this, but not at once: they stream without preparing. And they number
the statements that they prepare, so that behind a pooler one client's number means another's
statement; here a name says what the statement is, and can mean nothing else.
"""

from __future__ import annotations

import re
from asyncio import timeout
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import AsyncConnection, errors, generators, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

NOT_CARRIED = ("26000", "42P05")
"""The SQLSTATEs of a prepared statement that is not there, or is there already: a pooler gives the
server's connections now to one client and now to another, and does not know of them."""

ANSWER = 10.0
"""Seconds for an answer to come; a server may be silent, or a table locked for long."""

_PATIENCE = 2.0  # seconds, for a query that is given up to end


class Connection(AsyncConnection[TupleRow]):
    """A connection that knows what is prepared on it, and lets `told` know if it could be made."""

    prepared: set[bytes]

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
        return connection


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
        result: PGresult | None
        result = await self._connection.wait(generators.fetch(self._connection.pgconn))
        if result and result.status == pq.ExecStatus.TUPLES_CHUNK:
            return result
        # Either an error, or the end of the rows, which is an empty result.
        self._over = True
        with suppress(psycopg.Error):  # a connection that breaks now says less than the result
            while await self._connection.wait(generators.fetch(self._connection.pgconn)):
                pass
        _check(self._connection, result)
        return None


async def send(
    connection: Connection,
    query: bytes,
    parameters: Sequence[object] | None,
    *,
    prepare: bool,
    rows_at_once: int,
) -> Rows:
    """Send a query with `%s` for its parameters. One trip, and one before it to prepare it.

    Raises:
        psycopg.Error: It cannot be prepared, or the connection is dead.
    """
    text = query if parameters is None else _numbered(query)
    transformer = Transformer(connection)
    values = transformer.dump_sequence(parameters or (), [PyFormat.AUTO] * len(parameters or ()))
    types, formats = transformer.types or (), transformer.formats
    pgconn = connection.pgconn
    if prepare:
        name = _name(text, types)
        if name not in connection.prepared:
            pgconn.send_prepare(name, text, types)
            try:
                results = await connection.wait(generators.execute(pgconn))
            except BaseException:
                await connection.close()  # there is no telling whether it is prepared there
                raise
            _check(connection, results[0])
            connection.prepared.add(name)
        pgconn.send_query_prepared(name, values, formats)
    else:
        pgconn.send_query_params(text, values, types, formats)
    pgconn.set_chunked_rows_mode(rows_at_once)
    await connection.wait(generators.send(pgconn))
    return Rows(connection)


async def value(
    connection: Connection, query: bytes, parameters: Sequence[object] | None, *, prepare: bool
) -> bytes:
    """The one value that a query returns, sent as by `send`; nothing for no row or null."""
    found = b""
    try:
        rows = await send(connection, query, parameters, prepare=prepare, rows_at_once=1)
        while result := await rows.next():
            found = result.get_value(0, 0) or b""
    finally:
        await stop(connection)
    return found


async def stop(connection: Connection) -> None:
    """Leave what a query has left unread, and the connection fit for another one, or else closed.

    For one whose rows were read to the end, or which failed, this does nothing.
    """
    if connection.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
        return
    try:
        await connection.cancel_safe(timeout=_PATIENCE)
        async with timeout(_PATIENCE):
            await connection.wait(_read_off(connection.pgconn))
    except (psycopg.Error, TimeoutError):
        await connection.close()


def _check(connection: Connection, result: PGresult | None) -> None:
    if result and result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        raise errors.error_from_result(result, encoding=connection.info.encoding)


def _read_off(pgconn: PGconn) -> PQGen[None]:
    while (yield from generators.fetch(pgconn)):
        pass


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
