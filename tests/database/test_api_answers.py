"""What the service answers, to the byte; against a real server and over a real connection."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.odd_values import OURS_ALONE, TEXTS, TIMES
from tests.serving import insert, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from catalog.embedded import EmbeddedServer

NEW_YEAR = "2026-01-01 00:00:00+00"
ROWLING = {"name": "J.K. Rowling", "bio": None, "createdAt": NEW_YEAR, "updatedAt": NEW_YEAR}
TIMES_OF_OURS = {**TIMES, **OURS_ALONE}


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


# --- The lists


def test_authors_come_by_id_and_to_the_byte(catalog_database: str) -> None:
    insert(
        catalog_database,
        "Authors",
        {"id": 7, "name": "B", "bio": "b", "createdAt": NEW_YEAR, "updatedAt": "infinity"},
        {"id": 3, "name": "A", "bio": None, "createdAt": NEW_YEAR, "updatedAt": NEW_YEAR},
    )

    with served(catalog_database) as client:
        answer = client.get("/authors")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.content == (
        b'[{"id":3,"name":"A","bio":null,"createdAt":"2026-01-01T00:00:00.000Z",'
        b'"updatedAt":"2026-01-01T00:00:00.000Z"},'
        b'{"id":7,"name":"B","bio":"b","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":null}]'
    )


def test_no_authors_are_an_empty_list(catalog_database: str) -> None:
    with served(catalog_database) as client:
        assert client.get("/authors").content == b"[]"


@pytest.fixture(scope="module")
def library(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[httpx.Client]:
    """A service with two authors, -2147483648 and 7, who have a book each, and 8 with two."""
    name = f"test_{uuid.uuid4().hex}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    with psycopg.connect(embedded_server.conninfo, autocommit=True) as connection:
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(catalog_template)))
        conninfo = make_conninfo(embedded_server.conninfo, dbname=name)
        insert(conninfo, "Authors", *({"id": author, **ROWLING} for author in (-(2**31), 7, 8)))
        times = {"createdAt": NEW_YEAR, "updatedAt": NEW_YEAR}
        insert(
            conninfo,
            "Books",
            {"id": 5, "title": "Two", "authorId": 8, **times},
            {"id": 4, "title": "One", "authorId": 8, **times},
            {"id": 6, "title": "Seven", "authorId": 7, **times},
            {"id": -1, "title": "Least", "authorId": -(2**31), **times},
        )
        with served(conninfo) as client:
            yield client
        connection.execute(drop.format(sql.Identifier(name)))


def test_books_come_by_id_and_to_the_byte(library: httpx.Client) -> None:
    answer = library.get("/books/8")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == (
        b'[{"id":4,"title":"One","authorId":8,"createdAt":"2026-01-01T00:00:00.000Z",'
        b'"updatedAt":"2026-01-01T00:00:00.000Z"},'
        b'{"id":5,"title":"Two","authorId":8,"createdAt":"2026-01-01T00:00:00.000Z",'
        b'"updatedAt":"2026-01-01T00:00:00.000Z"}]'
    )


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("7", ["Seven"]),
        ("007", ["Seven"]),
        ("0" * 5000 + "7", ["Seven"]),
        ("%37", ["Seven"]),
        ("-2147483648", ["Least"]),
        ("-000002147483648", ["Least"]),
        ("9", []),
        ("-7", []),
        ("0", []),
        ("-0", []),
        ("-" + "0" * 5000, []),
        ("2147483647", []),
        ("2147483648", []),
        ("-2147483649", []),
    ],
    ids=lambda value: str(value)[:24],
)
def test_an_id_is_any_whole_number(library: httpx.Client, text: str, titles: list[str]) -> None:
    answer = library.get(f"/books/{text}")

    assert answer.status_code == 200
    assert [book["title"] for book in answer.json()] == titles


def test_head_is_get_without_the_body(library: httpx.Client) -> None:
    head = library.head("/books/8")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(library.get("/books/8").content))


# --- Odd values


def test_odd_texts_are_sent_as_express_sends_them(catalog_database: str) -> None:
    insert(catalog_database, "Authors", *({**ROWLING, "name": text} for text in TEXTS))

    with served(catalog_database) as client:
        answer = client.get("/authors")

    times = '"createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z"'
    rows = [
        f'{{"id":{position},"name":{name},"bio":null,{times}}}'
        for position, name in enumerate(TEXTS.values(), start=1)
    ]
    assert answer.content.decode() == f"[{','.join(rows)}]"
    assert [author["name"] for author in answer.json()] == list(TEXTS)


def test_odd_times_are_sent_as_express_sends_them(catalog_database: str) -> None:
    insert_times(catalog_database)

    with served(catalog_database) as client:
        authors, books = client.get("/authors"), client.get("/books/1")

    assert authors.content.decode() == expected_authors()
    assert books.content.decode() == expected_books()


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "settings",
    [
        {"DateStyle": "SQL, DMY", "TimeZone": "Asia/Kathmandu"},
        {"DateStyle": "German", "TimeZone": "America/St_Johns"},
        {"DateStyle": "Postgres, MDY", "TimeZone": "Pacific/Kiritimati"},
        {"DateStyle": "ISO, YMD", "TimeZone": "<-12>+12", "IntervalStyle": "sql_standard"},
        {
            "IntervalStyle": "postgres_verbose",
            "extra_float_digits": "-15",
            "bytea_output": "escape",
        },
        {"lc_numeric": "C.utf8", "lc_time": "C.utf8", "lc_monetary": "C.utf8"},
        {"transform_null_equals": "on", "quote_all_identifiers": "on", "array_nulls": "off"},
        {"default_transaction_isolation": "serializable", "default_transaction_read_only": "on"},
        {"client_encoding": "LATIN1", "escape_string_warning": "off"},
        {"plan_cache_mode": "force_generic_plan", "jit_above_cost": "0", "enable_sort": "off"},
    ],
    ids=lambda settings: " ".join(f"{name}={value}" for name, value in settings.items()),
)
def test_the_databases_settings_do_not_change_the_bytes(
    catalog_database: str, settings: dict[str, str]
) -> None:
    insert_times(catalog_database)
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        for name, value in settings.items():
            change = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(connection.info.dbname), sql.SQL(name), sql.Literal(value)
            )
            connection.execute(change)

    with served(catalog_database) as client:
        # Prepared by then, too.
        answers = [client.get("/authors").content.decode() for _ in range(8)]
        books = client.get("/books/1").content.decode()

    assert answers == [expected_authors()] * 8
    assert books == expected_books()


def insert_times(conninfo: str) -> None:
    rows = [
        {"createdAt": time, "updatedAt": other}
        for time, other in zip(TIMES_OF_OURS, reversed(TIMES_OF_OURS), strict=True)
    ]
    insert(conninfo, "Authors", *rows)
    insert(conninfo, "Books", *({"title": "Ü", "authorId": 1, **row} for row in rows))


def expected_authors() -> str:
    return _expected('"name":null,"bio":null')


def expected_books() -> str:
    return _expected('"title":"Ü","authorId":1')


def _expected(between: str) -> str:
    answers = list(TIMES_OF_OURS.values())
    rows = [
        f'{{"id":{position},{between},"createdAt":{time},"updatedAt":{other}}}'
        for position, (time, other) in enumerate(zip(answers, reversed(answers), strict=True), 1)
    ]
    return f"[{','.join(rows)}]"


# --- A database that is not as it should be


@pytest.mark.parametrize("path", ["/authors", "/books/1"])
def test_without_tables_it_says_later_and_logs_what_to_do(
    database: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with served(database) as client:
        answer = client.get(path)

    assert_problem(answer, 503, "Service Unavailable", "The catalog's tables are not there yet.")
    assert int(answer.headers["retry-after"]) > 0
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("catalog")]
    assert "bin/migrate up" in line
    assert "does not exist" in line


def test_tables_that_are_made_while_it_serves_are_served(
    database: str, catalog_template: str
) -> None:
    with served(database) as client:
        assert client.get("/authors").status_code == 503
        execute(
            database,
            'CREATE TABLE "Authors" (id serial, name text, bio text, '
            '"createdAt" timestamptz, "updatedAt" timestamptz)',
        )
        assert client.get("/authors").content == b"[]"


def test_what_nobody_foresaw_is_logged_and_not_told(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    execute(catalog_database, 'ALTER TABLE "Authors" RENAME name TO "hidden_name"')

    with served(catalog_database) as client:
        answer = client.get("/authors")
        others = client.get("/books/1")

    assert_problem(answer, 500, "Internal Server Error", "Something went wrong here.")
    assert "UndefinedColumn" in caplog.text
    assert "hidden_name" not in answer.text
    assert (others.status_code, others.content) == (200, b"[]")


def test_a_table_that_may_not_be_read_is_our_fault_and_not_the_clients(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"reader_{uuid.uuid4().hex}"
    execute(catalog_database, f"CREATE ROLE {role} LOGIN")
    try:
        with served(make_conninfo(catalog_database, user=role)) as client:
            answer = client.get("/authors")
    finally:
        execute(catalog_database, f"DROP ROLE {role}")

    assert_problem(answer, 500, "Internal Server Error", "Something went wrong here.")
    assert "permission denied" in caplog.text


def test_a_changed_table_is_read_as_it_is_now(catalog_database: str) -> None:
    insert(catalog_database, "Authors", {**ROWLING, "name": "Before"})

    with served(catalog_database) as client:
        for _ in range(8):  # until it is prepared
            assert client.get("/authors").json()[0]["name"] == "Before"
        execute(
            catalog_database,
            """ALTER TABLE "Authors" DROP name, ADD name text DEFAULT 'After';
               ALTER TABLE "Authors" ALTER id TYPE bigint""",
        )
        answers = [client.get("/authors") for _ in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 8
    assert answers[-1].json()[0]["name"] == "After"


def assert_problem(answer: httpx.Response, status: int, title: str, detail: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
