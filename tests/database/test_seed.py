"""`psql -f sql/seed.sql`, with the psql that comes with the server."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.embedded import EmbeddedServer

AUTHORS = [
    (1, "J.K. Rowling", "The creator of the Harry Potter series"),
    (2, "J.R.R. Tolkien", "The creator of Middle-earth and author of The Lord of the Rings."),
    (
        3,
        "George R.R. Martin",
        "The author of the epic fantasy series A Song of Ice and Fire.",
    ),
]
BOOKS = [
    (1, "Harry Potter and the Philosopher's Stone", 1),
    (2, "Harry Potter and the Chamber of Secrets", 1),
    (3, "The Hobbit", 2),
    (4, "The Fellowship of the Ring", 2),
    (5, "The Two Towers", 2),
    (6, "The Return of the King", 2),
    (7, "A Game of Thrones", 3),
    (8, "A Clash of Kings", 3),
]


@pytest.fixture
def start(embedded_server: EmbeddedServer) -> Callable[[str], subprocess.Popen[str]]:
    def start(conninfo: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [embedded_server.bindir / "psql", "-X", "-q", "-d", conninfo, "-f", "sql/seed.sql"],
            cwd=ROOT,
            env={"PATH": os.defpath},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def seed(start: Callable[[str], subprocess.Popen[str]]) -> Callable[[str], None]:
    """Run the seed, which must say nothing and succeed."""

    def seed(conninfo: str) -> None:
        process = start(conninfo)
        assert process.communicate() == ("", "")
        assert process.returncode == 0

    return seed


def rows(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def authors(conninfo: str) -> list[tuple[Any, ...]]:
    return rows(conninfo, 'SELECT id, name, bio FROM "Authors" ORDER BY id')


def books(conninfo: str) -> list[tuple[Any, ...]]:
    return rows(conninfo, 'SELECT id, title, "authorId" FROM "Books" ORDER BY id')


def everything(conninfo: str) -> list[list[tuple[Any, ...]]]:
    """All that a run could change: rows with their times and places, and the sequences."""
    sources = ('"Authors"', '"Books"', '"Authors_id_seq"', '"Books_id_seq"')
    return [rows(conninfo, f"SELECT ctid, xmin, * FROM {one} ORDER BY 1") for one in sources]


def test_an_empty_database_gets_the_guides_sample(
    catalog_database: str, seed: Callable[[str], None]
) -> None:
    seed(catalog_database)

    assert authors(catalog_database) == AUTHORS
    assert books(catalog_database) == BOOKS
    [(times,)] = rows(
        catalog_database,
        """SELECT count(DISTINCT ("createdAt", "updatedAt"))
             FROM (SELECT "createdAt", "updatedAt" FROM "Authors"
                   UNION ALL SELECT "createdAt", "updatedAt" FROM "Books") AS both_tables
            WHERE "createdAt" = "updatedAt" AND "createdAt" > now() - interval '1 minute'""",
    )
    assert times == 1


def test_so_does_one_that_has_come_only_as_far_as_the_guide(
    database: str, seed: Callable[[str], None]
) -> None:
    for name in ("0001_create_authors", "0002_create_books"):
        rows(database, (ROOT / f"sql/migrations/{name}.up.sql").read_text())

    seed(database)
    seed(database)

    assert (authors(database), books(database)) == (AUTHORS, BOOKS)


def test_again_it_changes_nothing(catalog_database: str, seed: Callable[[str], None]) -> None:
    seed(catalog_database)
    before = everything(catalog_database)

    seed(catalog_database)

    assert everything(catalog_database) == before


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_several_at_once_are_as_good_as_one(
    catalog_database: str, start: Callable[[str], subprocess.Popen[str]], isolation: str
) -> None:
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(
                sql.Identifier(connection.info.dbname), isolation
            )
        )

    processes = [start(catalog_database) for _ in range(4)]

    assert [process.communicate() for process in processes] == [("", "")] * 4
    assert [process.returncode for process in processes] == [0] * 4
    assert (authors(catalog_database), books(catalog_database)) == (AUTHORS, BOOKS)
    for sequence, last in (("Authors_id_seq", 3), ("Books_id_seq", 8)):
        assert rows(catalog_database, f'SELECT last_value FROM "{sequence}"') == [(last,)]


def test_a_failure_in_the_middle_leaves_nothing_and_shows_in_the_status(
    catalog_database: str, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    rows(catalog_database, """ALTER TABLE "Books" ADD CHECK (title <> 'A Game of Thrones')""")

    process = start(catalog_database)
    _, said = process.communicate()

    assert process.returncode == 3
    assert "sql/seed.sql" in said
    assert said.count("ERROR") == 1
    assert (authors(catalog_database), books(catalog_database)) == ([], [])


def test_without_tables_it_fails_at_the_first_statement(
    database: str, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = start(database)
    _, said = process.communicate()

    assert process.returncode == 3
    assert said.count("ERROR") == 1


def test_other_peoples_rows_stay_as_they_are(
    catalog_database: str, seed: Callable[[str], None]
) -> None:
    rows(
        catalog_database,
        """INSERT INTO "Authors" (name, bio)
           VALUES ('Ursula K. Le Guin', 'The author of Earthsea'),
                  ('J.R.R. Tolkien', 'Our own words about him'),
                  (NULL, NULL);
           INSERT INTO "Books" (title, "authorId")
           VALUES ('The Dispossessed', 1), ('The Hobbit', 1), ('The Two Towers', 2)""",
    )
    theirs = authors(catalog_database), books(catalog_database)

    seed(catalog_database)

    assert authors(catalog_database) == [*theirs[0], (4, *AUTHORS[0][1:]), (5, *AUTHORS[2][1:])]
    assert books(catalog_database)[:3] == theirs[1]
    assert [(title, author) for _, title, author in books(catalog_database)[3:]] == [
        ("Harry Potter and the Philosopher's Stone", 4),
        ("Harry Potter and the Chamber of Secrets", 4),
        ("The Hobbit", 2),
        ("The Fellowship of the Ring", 2),
        ("The Return of the King", 2),
        ("A Game of Thrones", 5),
        ("A Clash of Kings", 5),
    ]
    after = everything(catalog_database)
    seed(catalog_database)
    assert everything(catalog_database) == after


def test_readers_are_not_held_up_by_a_seed_that_waits(
    catalog_database: str, start: Callable[[str], subprocess.Popen[str]]
) -> None:
    with psycopg.connect(catalog_database) as writer:
        writer.execute("""INSERT INTO "Authors" (name) VALUES ('Being written')""")
        waiting = start(catalog_database)
        with psycopg.connect(catalog_database, autocommit=True) as reader:
            waits = (
                "SELECT FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            while not reader.execute(waits).rowcount:
                assert waiting.poll() is None
            reader.execute("SET statement_timeout = '5s'")
            assert reader.execute('SELECT FROM "Authors", "Books"').rowcount == 0

    assert waiting.communicate() == ("", "")
    assert len(books(catalog_database)) == 8
