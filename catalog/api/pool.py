"""The service's connections, and reading through them.

Apart from `catalog.database`, so that the runner need not import asyncio and a pool.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from catalog.database import connection_failure
from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import sql

_POOL_SIZE = 10  # connections; Neon's smallest compute has a hundred for everybody
_READ_DEADLINE = 5.0  # seconds


def create_pool(conninfo: str) -> AsyncConnectionPool:
    """The service's pool: not opened yet, and needing no database to open.

    Its connections are in autocommit, so that a read is one round trip and not three.
    """
    return AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=_POOL_SIZE,
        open=False,
        timeout=_READ_DEADLINE,
        # The pool doubles its pauses between attempts for so long, then gives up; after that
        # a request makes it try at once. Kept short, or it would sleep on past an outage.
        reconnect_timeout=4,
        kwargs={"autocommit": True, "client_encoding": "utf8", **_named(conninfo)},
    )


def _named(conninfo: str) -> dict[str, str]:
    given = conninfo_to_dict(conninfo).get("application_name")
    return {} if given else {"application_name": "catalog"}


async def read_value(
    pool: AsyncConnectionPool, query: sql.Composed, parameters: Sequence[object] = ()
) -> bytes:
    """The one value that a query returns, as the bytes that came. One round trip.

    A connection that turns out to be dead (the server was restarted, or slept) is replaced and
    the read repeated, within five seconds: reading twice does no harm.

    Raises:
        DatabaseUnavailable: There was no answer in that time.
    """
    deadline = time.monotonic() + _READ_DEADLINE
    while True:
        connection = None
        try:
            async with pool.connection(timeout=deadline - time.monotonic()) as connection:
                cursor = await connection.execute(query, parameters)
                value = cursor.pgresult.get_value(0, 0) if cursor.pgresult else None
                return value or b""
        except psycopg.OperationalError as exc:
            late = time.monotonic() >= deadline
            lost = connection is not None and connection.closed
            if late or isinstance(exc, PoolTimeout):
                raise DatabaseUnavailable(
                    f"no answer from the database: {connection_failure(exc)}",
                    "see above for the pool's attempts to connect",
                    passing=True,
                ) from exc
            if not lost:
                raise
