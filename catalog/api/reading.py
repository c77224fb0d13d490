"""Reading from the database: the service's connections, and patience while they break.

Apart from `catalog.database`, so that the runner need not import asyncio and a pool.
"""

from __future__ import annotations

import logging
import time
from asyncio import sleep, timeout
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from catalog.api import queries, statements
from catalog.api.lists import Lists
from catalog.api.statements import ANSWER, Connection
from catalog.api.streaming import Streams
from catalog.database import connection_failure
from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.api.lists import Work
    from catalog.api.streaming import Stream

# All in seconds.
_DEADLINE = 5.0  # for a read to get a connection, and to be begun again on another
_CONNECT_TIMEOUT = 10  # a database that sleeps is seldom longer to wake; it outlasts the request
_PAUSE = 0.4  # between attempts to connect, and to read, while nothing works
_CLOSING = 1.0  # for an attempt to connect that is under way at the end
_SILENCE = 10.0  # after a line in the log, before the same one is due again

_POOL_SIZE = 10  # connections; Neon's smallest compute has a hundred for everybody

# The server refuses for now: a conflict with recovery, no resources, a lock, an operator.
_PASSING = ("40", "53", "55P03", "57")

_log = logging.getLogger(__name__)


class Reader:
    """A pool of connections that needs no database to start, and the way to read through it.

    A pool alone doubles its pauses while the database is away, fails one read for each
    connection that a restart left dead, and warns of every attempt. Here the attempts to connect
    go on at a steady pace as long as a read waits, and no longer; such reads are begun again;
    and the log has one line for all who meet the same trouble.
    """

    def __init__(self, conninfo: str) -> None:
        # It warns of every attempt and of every dead connection; what matters is logged here.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        patience = {"connect_timeout": _CONNECT_TIMEOUT}
        if conninfo_to_dict(conninfo).get("connect_timeout"):
            patience = {}
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            open=False,
            connection_class=Connection,
            kwargs={
                "autocommit": True,  # a read is one round trip, not three
                "client_encoding": "utf8",
                "fallback_application_name": "catalog",
                "told": self._connecting,
                **patience,
            },
            # One is kept ready; the rest come with the load, and go ten minutes after it.
            min_size=1,
            max_size=_POOL_SIZE,
            timeout=_DEADLINE,
            # Shorter than the pool's first pause, this leaves two attempts, that far apart.
            reconnect_timeout=_PAUSE,
            reconnect_failed=self._not_connected,
        )
        self._failure: str | None = None
        """Why the latest attempt to connect failed, in one line; `None` if it worked."""
        self._logged: dict[str, float] = {}
        """The lines not to be logged again yet, and when they were."""
        self._prepare = True
        """Whether statements are prepared: until it turns out that a pooler cannot carry them."""
        streams = Streams()
        self._authors: Lists[None] = Lists(
            queries.LISTS_OF_AUTHORS, lambda _: None, self._patiently, streams
        )
        self._books: Lists[int] = Lists(
            queries.LISTS_OF_BOOKS, lambda ids: [_array(ids)], self._patiently, streams
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._authors.close()
        await self._books.close()
        await self._pool.close(timeout=_CLOSING)

    async def read(self, query: bytes, parameters: Sequence[object] | None = None) -> bytes:
        """The one value that a query returns, as the bytes that came. One round trip.

        A read whose connection is dead or dies is begun again on another one, for as long as
        five seconds; one that is under way may take ten more.

        Raises:
            DatabaseUnavailable: No connection could be had in that time, or the server refuses
                for a reason that will pass. It is in the log, too.
            psycopg.Error: The server refuses the query. Missing tables are in the log, too.
        """
        value = b""

        async def read(connection: Connection, prepare: bool) -> None:
            nonlocal value
            async with timeout(ANSWER):
                value = await statements.value(connection, query, parameters, prepare=prepare)

        await self._patiently(read)
        return value

    async def ready(self) -> None:
        """Make sure that a read can be served.

        Raises:
            DatabaseUnavailable: It cannot.
        """
        await self.read(queries.READY)

    @property
    def reads(self) -> int:
        """How often a connection was asked for; grows with every read, and with `ready`."""
        return self._pool.get_stats().get("requests_num", 0)

    async def authors(self) -> bytes | Stream:
        """All authors, as a whole, or if they are many as a stream, which the caller has to close.

        Raises as `read` does.
        """
        return await self._authors.get(None)

    async def books_of_author(self, author_id: int) -> bytes | Stream:
        """An author's books, as a whole, or as a stream like `authors`."""
        return await self._books.get(author_id)

    async def _patiently(self, work: Work) -> None:
        deadline = time.monotonic() + _DEADLINE
        attempts = 0
        while True:
            attempts += 1
            prepare = self._prepare
            try:
                async with self._pool.connection(deadline - time.monotonic()) as connection:
                    try:
                        return await work(connection, prepare)
                    except psycopg.Error as exc:
                        if prepare and exc.sqlstate in statements.NOT_CARRIED:
                            self._prepare_no_more(exc)
                            await connection.close()
                        if not connection.closed:
                            raise
                        self._failure = connection_failure(exc)
            except (PoolTimeout, PoolClosed) as exc:
                raise self._unavailable(self._failure or "all connections are in use") from exc
            except TimeoutError as exc:
                raise self._unavailable(f"none within {ANSWER:g} s") from exc
            except psycopg.errors.UndefinedTable as exc:
                self._say(f"{exc.diag.message_primary}; to create the tables: bin/migrate up")
                raise
            except psycopg.Error as exc:
                if (exc.sqlstate or "").startswith(_PASSING):
                    raise self._unavailable(connection_failure(exc)) from exc
                raise
            # Every connection in the pool may be dead, each found out without a round trip.
            if attempts > _POOL_SIZE:
                await sleep(_PAUSE)

    def _prepare_no_more(self, exc: psycopg.Error) -> None:
        if self._prepare:
            self._prepare = False
            _log.warning(
                "prepared statements do not reach the database (%s), so that there is a pooler"
                " in between that cannot carry them; from now on none are prepared",
                connection_failure(exc),
            )

    def _connecting(self, failure: psycopg.Error | None) -> None:
        self._failure = connection_failure(failure) if failure else None

    async def _not_connected(self, pool: AsyncConnectionPool[Any]) -> None:
        # The pool has given up, with reads waiting for what it no longer attempts. Checking makes
        # it attempt again, and finds out what else is dead.
        if pool.get_stats()["requests_waiting"]:
            await pool.check()

    def _unavailable(self, cause: str) -> DatabaseUnavailable:
        error = DatabaseUnavailable(
            f"no answer from the database: {cause}",
            "requests are answered with 503 until it is there",
            passing=True,
        )
        self._say(str(error))
        return error

    def _say(self, line: str) -> None:
        """Log a line, once for all the reads that have cause to."""
        now = time.monotonic()
        self._logged = {said: at for said, at in self._logged.items() if now - at < _SILENCE}
        if line not in self._logged:
            self._logged[line] = now
            _log.warning(line)


def _array(ids: Sequence[int]) -> str:
    # As a list they would be an array of whichever type is the smallest that holds them, and each
    # type a statement of its own to prepare.
    return f"{{{','.join(map(str, ids))}}}"
