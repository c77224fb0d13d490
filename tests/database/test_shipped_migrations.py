"""The migrations in sql/migrations: how they are written, and what they do."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from catalog.api import queries
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catalog.embedded import EmbeddedServer

FILES = sorted((ROOT / "sql/migrations").iterdir())
NAMES = sorted({path.name.removesuffix(".sql").rpartition(".")[0] for path in FILES})
CREATE_AUTHORS, CREATE_BOOKS, *LATER = NAMES
REQUIRE = LATER[0]

WHEN = "2026-01-01 00:00:00+00"


def run(conninfo: str, name: str, direction: str = "up") -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute((ROOT / f"sql/migrations/{name}.{direction}.sql").read_bytes())


def rows(conninfo: str, query: str, parameters: list[object] | None = None) -> list[Any]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def schema(embedded_server: EmbeddedServer) -> Callable[[str], str]:
    """The whole schema of a database, as text."""

    def schema(conninfo: str) -> str:
        command: list[str | Path] = [
            embedded_server.bindir / "pg_dump",
            "--schema-only",
            "-d",
            conninfo,
        ]
        dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # A new key in every dump.
        return re.sub(r"^\\(un)?restrict .*$", "", dump, flags=re.MULTILINE)

    return schema


# --- How they are written


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_its_name_is_a_number_and_words(path: Path) -> None:
    assert re.fullmatch(r"[0-9]{4}(_[a-z0-9]+)+\.(up|down)\.sql", path.name)


def test_the_numbers_go_up_by_one_and_each_has_both_directions() -> None:
    assert [int(name[:4]) for name in NAMES] == list(range(1, len(NAMES) + 1))
    assert {path.name for path in FILES} == {
        f"{name}.{direction}.sql" for name in NAMES for direction in ("up", "down")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_begins_with_a_comment_that_says_why(path: Path) -> None:
    lines = path.read_text().splitlines()
    if lines[0] == "-- migrate: no-transaction":
        del lines[0]

    assert re.fullmatch(r"-- [A-Z].{20,}", lines[0])


# --- What they do


@pytest.mark.slow
def test_each_is_undone_completely(database: str, schema: Callable[[str], str]) -> None:
    before = [schema(database)]
    for name in NAMES:
        run(database, name)
        before.append(schema(database))
    assert len(set(before)) == len(NAMES) + 1

    for name in reversed(NAMES):
        assert schema(database) == before.pop()
        run(database, name, "down")
        assert schema(database) == before[-1]

    for name in NAMES:
        run(database, name)


def test_the_later_ones_go_up_and_down_around_rows(catalog_database: str) -> None:
    rows(catalog_database, """INSERT INTO "Authors" (name) VALUES ('A')""")
    rows(catalog_database, """INSERT INTO "Books" (title, "authorId") VALUES ('B', 1)""")
    everything = 'SELECT * FROM "Authors", "Books"'
    before = rows(catalog_database, everything)

    for name in reversed(LATER):
        run(catalog_database, name, "down")
    for name in LATER:
        run(catalog_database, name)

    assert rows(catalog_database, everything) == before


def test_the_first_two_make_the_guides_tables(database: str) -> None:
    run(database, CREATE_AUTHORS)
    run(database, CREATE_BOOKS)

    columns = """
        SELECT column_name, data_type, character_maximum_length, is_nullable, column_default
          FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = %s
         ORDER BY ordinal_position
    """
    assert rows(database, columns, ["Authors"]) == [
        ("id", "integer", None, "NO", """nextval('"Authors_id_seq"'::regclass)"""),
        ("name", "character varying", 255, "YES", None),
        ("bio", "character varying", 255, "YES", None),
        ("createdAt", "timestamp with time zone", None, "NO", None),
        ("updatedAt", "timestamp with time zone", None, "NO", None),
    ]
    assert rows(database, columns, ["Books"]) == [
        ("id", "integer", None, "NO", """nextval('"Books_id_seq"'::regclass)"""),
        ("title", "character varying", 255, "YES", None),
        ("createdAt", "timestamp with time zone", None, "NO", None),
        ("updatedAt", "timestamp with time zone", None, "NO", None),
        ("authorId", "integer", None, "YES", None),
    ]
    constraints = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE contype <> 'n' AND connamespace = 'public'::regnamespace ORDER BY conname
    """
    assert rows(database, constraints) == [
        ("Authors_pkey", "PRIMARY KEY (id)"),
        (
            "Books_authorId_fkey",
            'FOREIGN KEY ("authorId") REFERENCES "Authors"(id) ON DELETE CASCADE',
        ),
        ("Books_pkey", "PRIMARY KEY (id)"),
    ]


def test_an_author_goes_with_the_books(catalog_database: str) -> None:
    rows(catalog_database, """INSERT INTO "Authors" (name) VALUES ('A'), ('B')""")
    rows(
        catalog_database,
        """INSERT INTO "Books" (title, "authorId") VALUES ('One', 1), ('Two', 2)""",
    )

    rows(catalog_database, """DELETE FROM "Authors" WHERE name = 'A'""")

    assert rows(catalog_database, 'SELECT title FROM "Books"') == [("Two",)]


@pytest.mark.parametrize("values", ["NULL, 1", "'T', NULL", "NULL, NULL"])
def test_a_book_has_a_title_and_an_author(catalog_database: str, values: str) -> None:
    rows(catalog_database, """INSERT INTO "Authors" (name) VALUES ('A')""")

    with pytest.raises(psycopg.errors.NotNullViolation):
        rows(catalog_database, f'INSERT INTO "Books" (title, "authorId") VALUES ({values})')


def test_what_sequelize_inserts_is_still_taken(catalog_database: str) -> None:
    author = """
        INSERT INTO "Authors" ("id", "name", "bio", "createdAt", "updatedAt")
        VALUES (DEFAULT, 'A', 'B', %s, %s) RETURNING "id", "name", "bio", "createdAt", "updatedAt"
    """
    book = """
        INSERT INTO "Books" ("id", "title", "authorId", "createdAt", "updatedAt")
        VALUES (DEFAULT, 'T', 1, %s, %s)
        RETURNING "id", "title", "authorId", "createdAt" = "updatedAt"
    """
    assert len(rows(catalog_database, author, [WHEN, WHEN])) == 1
    assert rows(catalog_database, book, [WHEN, WHEN]) == [(1, "T", 1, True)]


def test_whoever_gives_no_times_gets_the_present(catalog_database: str) -> None:
    rows(catalog_database, """INSERT INTO "Authors" (name) VALUES ('A')""")
    rows(catalog_database, """INSERT INTO "Books" (title, "authorId") VALUES ('T', 1)""")

    for table in ("Authors", "Books"):
        recent = "now() - interval '1 minute'"
        query = f'SELECT "createdAt" > {recent}, "updatedAt" > {recent} FROM "{table}"'
        assert rows(catalog_database, query) == [(True, True)]


def test_the_third_names_the_query_that_finds_the_rows_that_break_it(
    database: str, schema: Callable[[str], str]
) -> None:
    run(database, CREATE_AUTHORS)
    run(database, CREATE_BOOKS)
    rows(database, """INSERT INTO "Authors" VALUES (DEFAULT, 'A', 'B', now(), now())""")
    rows(
        database,
        """INSERT INTO "Books" (title, "authorId", "createdAt", "updatedAt")
           VALUES ('Good', 1, now(), now()), (NULL, 1, now(), now()),
                  ('Nobody''s', NULL, now(), now()), (NULL, NULL, now(), now())""",
    )
    before = schema(database)

    with pytest.raises(psycopg.errors.NotNullViolation) as failure:
        run(database, REQUIRE)

    assert failure.value.diag.message_primary == "some books have no title or no author"
    query = re.search(r"SELECT .*;", failure.value.diag.message_hint or "")
    assert query
    assert sorted(row[0] for row in rows(database, query.group())) == [2, 3, 4]
    assert schema(database) == before

    rows(database, query.group().replace("SELECT *", "DELETE"))
    run(database, REQUIRE)
    assert rows(database, 'SELECT title FROM "Books"') == [("Good",)]


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
def test_the_index_finds_an_authors_books_without_reading_the_table(
    catalog_database: str, plans: str
) -> None:
    rows(
        catalog_database,
        """INSERT INTO "Authors" (name) SELECT n FROM generate_series(1, 500) AS n;
           INSERT INTO "Books" (title, "authorId")
           SELECT n, n % 500 + 1 FROM generate_series(1, 10000) AS n;
           ANALYZE "Authors", "Books\"""",
    )

    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute(f"SET plan_cache_mode = {plans}".encode())
        explain = b"EXPLAIN " + queries.LISTS_OF_BOOKS
        plan = [line for (line,) in connection.execute(explain, ["{7,8}"], prepare=True)]

    assert any('"Books_authorId_id_idx"' in line for line in plan)
    assert not any("Seq Scan" in line for line in plan)
