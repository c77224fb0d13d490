"""Requests that share queries: each is as fresh as alone, and bears nobody else's trouble."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from catalog.api import batching
from catalog.api.batching import ENOUGH
from catalog.api.reading import Reader
from tests import plain_queries
from tests.database.test_api_outages import backends, locked, unlock, wait_until
from tests.odd_values import TEXTS, TIMES
from tests.serving import insert, served
from tests.whole.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NEW_YEAR = "2026-01-01 00:00:00+00"
TIMESTAMPS = {"createdAt": NEW_YEAR, "updatedAt": NEW_YEAR}
PATHS = ["authors", "books"]
dice = random.Random(5)  # noqa: S311


def execute(conninfo: str, *statements: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def reading(conninfo: str, test: Callable[[Reader], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Reader(conninfo) as reader:
            await test(reader)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


# --- As fresh as alone


@pytest.mark.parametrize("delay", [0.0, 0.02], ids=["near", "far"])
def test_every_read_sees_what_was_committed_before_it_began(
    catalog_database: str, delay: float
) -> None:
    insert(catalog_database, "Authors", {"name": "0"})
    insert(catalog_database, "Books", {"title": "0", "authorId": 1}, {"title": "-", "authorId": 1})
    committed = 0
    over = threading.Event()

    def write() -> None:
        nonlocal committed
        with psycopg.connect(catalog_database, autocommit=True) as connection:
            while not over.is_set():
                number = str(committed + 1)
                connection.execute('UPDATE "Authors" SET name = %s', [number])
                connection.execute('UPDATE "Books" SET title = %s WHERE id = 1', [number])
                committed += 1

    async def read_on(reader: Reader, path: str) -> int:
        reads = 0
        while not over.is_set():
            before = committed
            if path == "authors":
                body = await reader.authors()
            else:
                body = await reader.books_of_author(1)
            assert isinstance(body, bytes)
            seen = int(body.split(b'":"')[1].split(b'"')[0])
            assert seen >= before
            reads += 1
            await asyncio.sleep(dice.random() / 500)
        return reads

    async def test(reader: Reader) -> None:
        asyncio.get_running_loop().call_later(2, over.set)
        reads = await asyncio.gather(*(read_on(reader, path) for path in PATHS * 20))
        assert min(reads) > 5

    with Proxy(catalog_database, delay=delay) as proxy, ThreadPoolExecutor() as threads:
        writing = threads.submit(write)
        try:
            reading(proxy.conninfo, test)
        finally:
            over.set()
        writing.result()
        assert committed > 50


def test_the_rows_of_a_batch_are_those_of_each_key(catalog_database: str) -> None:
    insert(catalog_database, "Authors", *({"name": text, **TIMESTAMPS} for text in TEXTS))
    books = [
        {"title": text or "", "createdAt": time, "updatedAt": NEW_YEAR, "authorId": 1 + row % 7}
        for row, (text, time) in enumerate(
            (dice.choice(list(TEXTS)), dice.choice(list(TIMES))) for _ in range(60)
        )
    ]
    insert(catalog_database, "Books", *books)
    keys = [*range(-60, 60), 3, 3, 2**31 - 1, -(2**31)]

    async def test(reader: Reader) -> None:
        # More than one batch has room for.
        together = await asyncio.gather(*map(reader.books_of_author, [1, *keys]))
        alone = [await reader.read(plain_queries.BOOKS_OF_AUTHOR, [key]) for key in [1, *keys]]
        assert together == alone
        assert together.count(b"[]") == len(keys) - 7 - 2
        assert await reader.authors() == await reader.read(plain_queries.AUTHORS)

    reading(catalog_database, test)


# --- Few queries


@pytest.mark.parametrize("path", ["/authors", "/books/{}"])
def test_many_requests_are_few_queries(catalog_database: str, path: str) -> None:
    with (
        Proxy(catalog_database, delay=0.05) as proxy,
        served(proxy.conninfo) as client,
        ThreadPoolExecutor(40) as threads,
    ):
        client.get(path.format(0))
        proxy.trips.clear()
        answers = list(threads.map(lambda key: client.get(path.format(key)), range(800)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(proxy.trips) < 400


def test_all_who_wait_for_a_query_are_one(
    catalog_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A thousand requests may take longer to ask than a batch that is stuck would hold them up.
    monkeypatch.setattr(batching, "PACE", 60)

    async def test(reader: Reader) -> None:
        await reader.authors()
        await reader.books_of_author(1)
        proxy.trips.clear()
        await asyncio.gather(
            *(reader.authors() for _ in range(500)),
            *(reader.books_of_author(author % ENOUGH) for author in range(500)),
        )
        # One of each kind; what is a Parse instead of a Bind prepares it first.
        assert sum(trip.text[0] in "BP" for trip in proxy.trips) == 2

    with Proxy(catalog_database) as proxy:
        reading(proxy.conninfo, test)


# --- Nobody's trouble but their own


def poison(conninfo: str, expression: str) -> None:
    """Let whoever reads the books of author 13 evaluate an expression."""
    execute(
        conninfo,
        'ALTER TABLE "Books" RENAME TO "RealBooks"',
        f"""
        CREATE VIEW "Books" AS
        SELECT id, "createdAt", "updatedAt", "authorId",
               CASE WHEN "authorId" = 13 THEN ({expression})::text ELSE title END AS title
          FROM "RealBooks"
        """,
    )


@pytest.fixture
def two_authors(catalog_database: str) -> str:
    insert(catalog_database, "Authors", *({"id": author, "name": "A"} for author in (8, 13)))
    insert(catalog_database, "Books", *({"title": "B", "authorId": author} for author in (8, 13)))
    return catalog_database


def test_one_that_fails_fails_no_other_query(two_authors: str) -> None:
    poison(two_authors, 'title::int / ("authorId" - 13)')

    with served(two_authors) as client, ThreadPoolExecutor(8) as threads:
        assert client.get("/books/8").status_code == 200
        failing = [threads.submit(client.get, "/books/13") for _ in range(8)]
        assert {answer.result().status_code for answer in failing} == {500}
        assert client.get("/books/8").json()[0]["title"] == "B"
        assert client.get("/authors").status_code == 200


def test_one_that_is_slow_holds_up_no_other_query(two_authors: str) -> None:
    poison(two_authors, "pg_sleep(2)")

    with served(two_authors) as client, ThreadPoolExecutor() as threads:
        client.get("/books/8")
        slow = threads.submit(client.get, "/books/13")
        wait_until(lambda: "active" in dict(backends(two_authors)).values())
        for _ in range(20):
            assert client.get("/books/8").status_code == 200
        assert not slow.done()
        assert slow.result().status_code == 200


def test_a_reader_that_goes_away_leaves_the_others_their_answer(catalog_database: str) -> None:
    async def test(reader: Reader) -> None:
        await reader.authors()
        with locked(catalog_database):
            first = asyncio.create_task(reader.authors())
            await asyncio.sleep(0)
            waiting = [asyncio.create_task(reader.authors()) for _ in range(5)]
            await asyncio.sleep(0.3)
            for one in waiting[:4]:
                one.cancel()
            await asyncio.sleep(0.1)
            unlock(catalog_database)
            assert [await first, await waiting[4]] == [b"[]"] * 2
        assert all(one.cancelled() for one in waiting[:4])

    reading(catalog_database, test)


def test_a_query_that_nobody_waits_for_any_more_is_cancelled(catalog_database: str) -> None:
    async def test(reader: Reader) -> None:
        await reader.authors()
        with locked(catalog_database):
            waiting = [asyncio.create_task(reader.authors()) for _ in range(5)]
            await asyncio.sleep(0.3)
            assert "active" in {state for _, state in backends(catalog_database)}
            for one in waiting:
                one.cancel()
            await asyncio.wait(waiting)
            for _ in range(100):
                if {state for _, state in backends(catalog_database)} == {"idle"}:
                    break
                await asyncio.sleep(0.02)
            assert {state for _, state in backends(catalog_database)} == {"idle"}
        assert await reader.authors() == b"[]"

    reading(catalog_database, test)


def test_it_ends_in_the_midst_of_reads(catalog_database: str) -> None:
    async def run() -> None:
        async with Reader(catalog_database) as reader:
            waiting = [asyncio.create_task(reader.authors()) for _ in range(5)]
            await asyncio.sleep(0.3)
        await asyncio.sleep(0)
        assert all(one.cancelled() for one in waiting)
        assert len(asyncio.all_tasks()) == 1

    with locked(catalog_database):
        started = time.monotonic()
        asyncio.run(run())
        assert time.monotonic() - started < 5
    wait_until(lambda: not backends(catalog_database))
