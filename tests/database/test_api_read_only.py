"""The API cannot write: not by itself, nor through whatever the tables' names have come to mean."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.api import queries
from catalog.api.reading import Reader
from catalog.migrations.apply import Runner
from catalog.migrations.arguments import DEFAULT_DIRECTORY
from catalog.migrations.migration import load_migrations
from catalog.migrations.session import Target
from catalog.settings import ROOT
from tests.load import service
from tests.serving import insert, served
from tests.whole.pooler import pooler
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.embedded import EmbeddedServer

PATHS = ["/books/1", "/books/1?limit=2", "/search?q=spy"]
WAYS = ["direct", pytest.param("pooled", marks=pytest.mark.slow)]


@contextmanager
def way(kind: str, conninfo: str, server: EmbeddedServer) -> Iterator[str]:
    """To the same database, at once or by way of PgBouncer in transaction mode."""
    with ExitStack() as stack:
        if kind == "pooled":
            running = stack.enter_context(pooler(server.conninfo, pool_size=2))
            conninfo = running.to(conninfo)
        yield conninfo


def spy(conninfo: str) -> None:
    """Let whoever reads a book write down that it was read, or have tried to."""
    insert(conninfo, "Authors", {"id": 1, "name": "A spy"})
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE seen (id integer)",
            """
            CREATE FUNCTION note(id integer) RETURNS integer LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO seen VALUES (note.id);
                RETURN note.id;
            END $$
            """,
            'ALTER TABLE "Books" RENAME TO "RealBooks"',
            """INSERT INTO "RealBooks" (title, "authorId") VALUES ('A spy', 1)""",
            """
            CREATE VIEW "Books" AS
            SELECT id, title, "authorId", "createdAt", "updatedAt"
              FROM "RealBooks"
             WHERE note(id) = id
            """,
        ):
            connection.execute(statement.encode())


def seen(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        [count] = connection.execute("SELECT count(*) FROM seen").fetchone() or ()
    return int(count)


@pytest.mark.parametrize("kind", WAYS)
def test_a_view_that_writes_when_it_is_read_does_not(
    catalog_database: str,
    embedded_server: EmbeddedServer,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spy(catalog_database)
    with way(kind, catalog_database, embedded_server) as conninfo, served(conninfo) as client:
        answers = [client.get(path) for path in PATHS * 3]
        assert client.get("/authors").status_code == 200

    assert [answer.status_code for answer in answers] == [500] * 9
    assert seen(catalog_database) == 0
    assert "cannot execute INSERT in a read-only transaction" in caplog.text


def test_the_same_view_can_be_written_through_by_others(catalog_database: str) -> None:
    """… so that the test before this one tells something."""
    spy(catalog_database)
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute('SELECT * FROM "Books"')
    assert seen(catalog_database) == 1


@pytest.mark.parametrize("kind", WAYS)
def test_a_long_list_cannot_write_either_however_far_it_is_read(
    catalog_database: str, embedded_server: EmbeddedServer, kind: str
) -> None:
    spy(catalog_database)
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        for statement in (
            'ALTER TABLE "Authors" RENAME TO "RealAuthors"',
            """
            INSERT INTO "RealAuthors" (id, name)
            SELECT id, 'A' || repeat('.', 200) FROM generate_series(2, 5000) AS id
            """,
            # Called stable, it does not stop the planner from reading row by row.
            """
            CREATE FUNCTION note_quietly(id integer) RETURNS integer STABLE LANGUAGE plpgsql AS $$
            BEGIN
                RETURN note(note_quietly.id);
            END $$
            """,
            # Long after the first block has left.
            """
            CREATE VIEW "Authors" AS
            SELECT id, CASE WHEN id = 4500 THEN note_quietly(id)::text ELSE name END AS name, bio,
                   "createdAt", "updatedAt"
              FROM "RealAuthors"
            """,
            "ANALYZE",
        ):
            connection.execute(statement.encode())
    with way(kind, catalog_database, embedded_server) as conninfo, served(conninfo) as client:
        with client.stream("GET", "/authors") as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        assert client.get("/authors/1").status_code == 200

    assert seen(catalog_database) == 0


@pytest.mark.parametrize("kind", WAYS)
def test_nothing_of_it_is_left_to_the_next_one_on_the_connection(
    catalog_database: str, embedded_server: EmbeddedServer, kind: str
) -> None:
    settings = b"SELECT current_setting('transaction_read_only') || %s"

    async def run(conninfo: str) -> None:
        async with Reader(conninfo) as reader:
            for _ in range(5):
                assert await reader.read(settings, ["!"]) == b"on!"
                assert await reader.authors() == b"[]"

    with way(kind, catalog_database, embedded_server) as conninfo:
        asyncio.run(run(conninfo))
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for _ in range(5):
                connection.execute('INSERT INTO "Authors" (name) VALUES (%s)', ["A"])
                timeout = connection.execute("SHOW statement_timeout").fetchone()
                assert timeout == ("0",)


def test_all_of_it_is_one_round_trip_from_the_first_read_on(catalog_database: str) -> None:
    async def run() -> None:
        async with Reader(wire.conninfo) as reader:
            await reader._pool.wait()
            wire.answers.clear()
            await reader.read(queries.AUTHOR, [1])
            await reader.authors()
            await reader.books_of_author(1)
            assert wire.answers == ["I", "I", "I"]

    with Wire(catalog_database) as wire:
        asyncio.run(run())


# --- A role that may only read


@pytest.fixture
def reader_role(database: str) -> Iterator[str]:
    """What `docs/grants.sql` makes in a migrated database, and the way to connect as it."""
    target = Target(database, "here", "here")
    with Runner(target, load_migrations(DEFAULT_DIRECTORY), wait=10, tell=lambda _: None) as runner:
        runner.up()
    script = (ROOT / "docs/grants.sql").read_bytes()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # roles are there for all databases
        connection.execute(script)
        connection.execute(script)  # it may be run again
        try:
            yield make_conninfo(database, user="catalog_reader")
        finally:
            role = sql.Identifier("catalog_reader")
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_the_role_of_the_docs_is_enough_for_the_service_and_for_nothing_else(
    database: str, reader_role: str
) -> None:
    insert(database, "Authors", {"name": "A"})
    insert(database, "Books", {"title": "B", "authorId": 1})
    log: list[str] = []
    with service(reader_role, log) as url:
        for path in ("/authors", "/authors/1", "/books/1", "/books/1?limit=1", "/search?q=b"):
            assert httpx.get(url + path).status_code == 200, path
    assert log == []

    with psycopg.connect(reader_role, autocommit=True) as connection:
        for way in ("on", "off"):
            connection.execute(f"SET default_transaction_read_only = {way}".encode())
            for statement in (
                """INSERT INTO "Authors" (name) VALUES ('x')""",
                """UPDATE "Books" SET title = 'x'""",
                """DELETE FROM "Books" """,
                """TRUNCATE "Books" """,
                """CREATE TABLE x (id integer)""",
                """CREATE SCHEMA x""",
                """DELETE FROM schema_migrations""",
            ):
                with pytest.raises(psycopg.Error) as caught:
                    connection.execute(statement.encode())
                assert caught.value.sqlstate in ("25006", "42501"), statement
