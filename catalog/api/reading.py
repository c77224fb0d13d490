"""Reading from the database: the service's connections, and patience while they break.

Apart from `catalog.database`, so that the runner need not import asyncio and a pool.
"""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError, Semaphore, sleep, timeout
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from catalog.api import queries, statements
from catalog.api.batching import TooManyWaiting
from catalog.api.lists import Lists
from catalog.api.statements import Connection
from catalog.api.streaming import Streams
from catalog.database import connection_failure
from catalog.errors import DatabaseUnavailable
from catalog.settings import DEFAULT_REQUEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from catalog.api.lists import Work
    from catalog.api.streaming import Stream

T = TypeVar("T")

REQUEST_TIMEOUT = float(DEFAULT_REQUEST_TIMEOUT)
"""Seconds from a request's question to its answer, which may be that there is none."""

# All in seconds.
_PAUSE = 0.4  # between attempts to connect, and to read, while nothing works
_CLOSING = 1.0  # for an attempt to connect that is under way at the end
_SILENCE = 10.0  # without a line in the log, before the same one is due again
_NEXT_HOST = 3  # for a host to be connected to, where the connection string names others, too

# What the connection string says of these comes first.
_PARAMETERS: Mapping[str, int] = {
    "connect_timeout": 10,  # seconds; a database that sleeps is seldom longer to wake
    # A network that swallows packets looks like a server that takes long. What was sent into it is
    # sent again for a while: only so does the server hear, when the network is back, that a
    # connection was given up meanwhile, and does not keep it.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}

_POOL_SIZE = 10  # connections; Neon's smallest compute has a hundred for everybody

MOST_READS = 500
"""… of one value that wait at the same time: as many as ten connections answer within the deadline
if each takes a tenth of a second, which is long."""

# The server refuses for now: a conflict with recovery, no resources, a lock.
_PASSING = ("40", "53", "55P03")

_log = logging.getLogger(__name__)


class Reader:
    """A pool of connections that needs no database to start, and the way to read through it.

    A pool alone doubles its pauses while the database is away, fails one read for each
    connection that a restart left dead, and warns of every attempt. Here the attempts to connect
    go on at a steady pace as long as a read waits, and no longer; such reads are begun again;
    and the log has one line for all who meet the same trouble.
    """

    def __init__(self, conninfo: str, timeout: float = REQUEST_TIMEOUT) -> None:
        """`timeout` is in seconds, and for each read."""
        # It warns of every attempt and of every dead connection; what matters is logged here.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        self._timeout = timeout
        given = conninfo_to_dict(conninfo)
        several = "," in str(given.get("host") or given.get("hostaddr"))
        parameters = {**_PARAMETERS, **({"connect_timeout": _NEXT_HOST} if several else {})}
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            open=False,
            connection_class=Connection,
            kwargs={
                "autocommit": True,  # a read brings its own transaction along
                "client_encoding": "utf8",
                "fallback_application_name": "catalog",
                "told": self._connecting,
                **{name: value for name, value in parameters.items() if not given.get(name)},
            },
            # One is kept ready; the rest come with the load, and go ten minutes after it.
            min_size=1,
            max_size=_POOL_SIZE,
            timeout=2 * timeout,  # never so long: who waits for it leaves before
            # Shorter than the pool's first pause, this leaves two attempts, that far apart.
            reconnect_timeout=_PAUSE,
            reconnect_failed=self._not_connected,
        )
        self._failure: str | None = None
        """Why the latest attempt to connect or to read failed, in one line; `None` if it worked."""
        self.answered = 0
        """How often the database did what a read asked of it."""
        self._at_work = 0
        """How many reads wait for the database, those that share a query as one."""
        self._places = Semaphore(_POOL_SIZE)
        self._logged: dict[str, float] = {}
        """The lines not to be logged again yet, and when there was cause to."""
        self._prepare = True
        """Whether statements are prepared: until it turns out that a pooler cannot carry them."""
        self._reads = 0
        streams = Streams()
        self._authors: Lists[None] = Lists(
            queries.LISTS_OF_AUTHORS, lambda _: None, self._patiently, streams, timeout
        )
        self._books: Lists[int] = Lists(
            queries.LISTS_OF_BOOKS, lambda ids: [_array(ids)], self._patiently, streams, timeout
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
        there is time.

        Raises:
            DatabaseUnavailable: There is no answer in time, or the server refuses for a reason
                that will pass. It is in the log, too.
            psycopg.Error: The server refuses the query. Missing tables are in the log, too.
        """
        value = b""
        deadline = time.monotonic() + self._timeout
        limit = timeout(self._timeout)

        async def read(connection: Connection, prepare: bool) -> None:
            nonlocal value
            left = deadline - time.monotonic()
            try:
                value = await statements.value(
                    connection, query, parameters, prepare=prepare, seconds=left
                )
            except CancelledError:
                if limit.expired():
                    # The server has ended the query by now, if there is a server.
                    await connection.close()
                else:
                    await statements.stop(connection)
                raise

        async def wait() -> None:
            if self._reads >= MOST_READS:
                raise TooManyWaiting(MOST_READS)
            self._reads += 1
            try:
                async with limit:
                    await self._patiently(read)
            finally:
                self._reads -= 1

        await self._answer(wait())
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
        return await self._answer(self._authors.get(None))

    async def books_of_author(self, author_id: int) -> bytes | Stream:
        """An author's books, as a whole, or as a stream like `authors`."""
        return await self._answer(self._books.get(author_id))

    async def _answer(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except TimeoutError as exc:
            raise self._unavailable(self._failure or f"none within {self._timeout:g} s") from exc
        except TooManyWaiting as exc:
            self._say(str(exc))
            raise

    async def _patiently(self, work: Work) -> None:
        """Do work on a connection, and again on another one, until it is done or cancelled."""
        self._at_work += 1
        try:
            attempts = 0
            while not await self._attempt(work):
                attempts += 1
                # Every connection in the pool may be dead, each found out without a round trip.
                if attempts > _POOL_SIZE:
                    await sleep(_PAUSE)
        finally:
            self._at_work -= 1

    async def _attempt(self, work: Work) -> bool:
        """Do work on a connection; returns whether it is done, and not to be begun again."""
        prepare = self._prepare
        try:
            # The pool would not forget who has left its queue before there is a connection again.
            async with self._places, self._pool.connection() as connection:
                try:
                    await work(connection, prepare)
                    self._failure = None
                    self.answered += 1
                    return True
                except psycopg.Error as exc:
                    if prepare and exc.sqlstate in statements.NOT_CARRIED:
                        self._prepare_no_more(exc)
                        await connection.close()
                    if not connection.closed:
                        raise
                    self._failure = connection_failure(exc)
        except (PoolTimeout, PoolClosed) as exc:
            raise self._unavailable(self._failure or "there is no connection") from exc
        except psycopg.errors.QueryCanceled as exc:
            raise self._unavailable(connection_failure(exc)) from exc
        except psycopg.errors.UndefinedTable as exc:
            self._say(f"{exc.diag.message_primary}; to create the tables: bin/migrate up")
            raise
        except psycopg.Error as exc:
            if not (exc.sqlstate or "").startswith(_PASSING):
                raise
            self._failure = connection_failure(exc)
            await sleep(_PAUSE)
        return False

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
        if self._at_work:
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
            _log.warning(line)
        self._logged[line] = now


def _array(ids: Sequence[int]) -> str:
    # As a list they would be an array of whichever type is the smallest that holds them, and each
    # type a statement of its own to prepare.
    return f"{{{','.join(map(str, ids))}}}"
