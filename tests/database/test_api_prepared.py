"""Statements are prepared, where nothing stands in the way; PgBouncer 1.18 does."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from catalog.api.reading import Reader
from tests import plain_queries
from tests.database.test_api_long_lists import books, whole
from tests.serving import served
from tests.whole.pooler import pooler
from tests.whole.proxy import Proxy

if TYPE_CHECKING:
    from catalog.embedded import EmbeddedServer

PREPARED = b"""
    SELECT string_agg(name || ' ' || generic_plans + custom_plans, ' ')
      FROM pg_prepared_statements
     WHERE name LIKE 'catalog%' AND statement NOT LIKE '%pg_prepared_statements%'
"""
ECHO = b"SELECT %s::text || '%%'"


def test_a_statement_is_prepared_once_and_named_for_what_it_says(catalog_database: str) -> None:
    async def run() -> None:
        async with Reader(catalog_database) as reader:
            await reader._pool.wait()  # it has one connection now, and needs no other
            for author in range(5):
                await reader.books_of_author(author)
                await reader.authors()
                assert await reader.read(ECHO, ["100 %s"]) == b"100 %s%"
            prepared = await reader.read(PREPARED)
        words = prepared.decode().split()
        # Three queries, and what goes before each of them.
        assert sorted(words[1::2], key=int) == ["5", "5", "5", "16"]
        assert len(set(words[::2])) == 4

    asyncio.run(run())


def test_null_no_row_and_no_parameters_are_read(catalog_database: str) -> None:
    async def run() -> None:
        async with Reader(catalog_database) as reader:
            assert await reader.read(b"SELECT NULL") == b""
            assert await reader.read(b"SELECT 1 WHERE false") == b""
            assert await reader.read(b"SELECT '100 %s'") == b"100 %s"
            assert await reader.read(b"SELECT %s::int + %s::int", [2**30, 1]) == b"1073741825"

    asyncio.run(run())


@pytest.mark.parametrize("state", ["26000", "42P05"])
def test_statements_that_get_lost_are_noticed_and_no_more_are_prepared(
    catalog_database: str, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    books(catalog_database, 1, 3)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            await reader._pool.wait()  # it has one connection now, and needs no other
            before = await reader.read(plain_queries.BOOKS_OF_AUTHOR, [1])
            if state == "26000":
                await reader.read(b"DEALLOCATE ALL")
            else:
                async with reader._pool.connection() as connection:
                    connection.prepared.clear()
            for _ in range(3):
                assert await reader.read(plain_queries.BOOKS_OF_AUTHOR, [1]) == before
                assert await reader.books_of_author(1) == before
            found = await reader.read(b"SELECT count(*) FROM pg_prepared_statements")
            assert found == b"0"

    asyncio.run(run())
    [line] = [record.getMessage() for record in caplog.records if "prepare" in record.getMessage()]
    assert "pooler" in line


def test_one_that_is_given_up_while_it_is_prepared_is_no_sign_of_a_pooler(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        with Proxy(catalog_database, delay=0.2) as proxy:
            async with Reader(proxy.conninfo) as reader:
                await reader._pool.wait()
                given_up = asyncio.create_task(reader.read(ECHO, ["a"]))
                await asyncio.sleep(0.1)
                given_up.cancel()
                await asyncio.wait([given_up])
                for _ in range(2):
                    assert await reader.read(ECHO, ["b"]) == b"b%"
                assert b"catalog" in await reader.read(PREPARED)

    asyncio.run(run())
    assert caplog.text == ""


def test_a_query_that_is_given_up_leaves_its_connection(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with Reader(catalog_database) as reader:
            await reader._pool.wait()  # it has one connection now, and needs no other
            before = await reader.read(b"SELECT pg_backend_pid()")
            given_up = asyncio.create_task(reader.read(b"SELECT pg_sleep(60)"))
            await asyncio.sleep(0.3)
            given_up.cancel()
            await asyncio.wait([given_up])
            assert await reader.read(b"SELECT pg_backend_pid()") == before

    asyncio.run(run())
    assert caplog.text == ""


@pytest.mark.slow
def test_no_request_fails_behind_a_pooler_that_cannot_carry_them(
    catalog_database: str, embedded_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    for author in range(20):
        books(catalog_database, author, author)
    with (
        pooler(embedded_server.conninfo, pool_size=3) as running,
        served(running.to(catalog_database)) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        asked = [random.Random(n).randrange(20) for n in range(600)]  # noqa: S311
        answers = list(threads.map(lambda author: client.get(f"/books/{author}"), asked))
        lists = list(threads.map(lambda _: client.get("/authors"), range(200)))

    assert {answer.status_code for answer in (*answers, *lists)} == {200}
    assert [len(answer.json()) for answer in answers] == asked
    assert {len(answer.json()) for answer in lists} == {20}
    [line] = [record.getMessage() for record in caplog.records if "prepare" in record.getMessage()]
    assert "pooler" in line


@pytest.mark.slow
def test_several_services_share_such_a_pooler(
    catalog_database: str, embedded_server: EmbeddedServer
) -> None:
    for author in range(20):
        books(catalog_database, author, author)
    books(catalog_database, 20, 5000)

    async def read(reader: Reader, author: int) -> None:
        body = await whole(await reader.books_of_author(author))
        assert body.count(b'"id"') == (author if author < 20 else 5000)
        assert body.count(b'"authorId":%d,' % author) == body.count(b'"id"')
        ids = await reader.read(b"SELECT %s::text", [str(author)])
        assert ids == str(author).encode()

    async def run(way: str) -> None:
        async with Reader(way) as one, Reader(way) as another:
            for _ in range(30):
                await asyncio.gather(
                    *(read(reader, author) for reader in (one, another) for author in range(21))
                )

    with pooler(embedded_server.conninfo, pool_size=3) as running:
        asyncio.run(run(running.to(catalog_database)))
    with psycopg.connect(catalog_database) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
