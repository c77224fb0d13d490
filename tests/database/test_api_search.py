"""Searching for authors and books by words."""

from __future__ import annotations

import string
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.api import queries
from catalog.settings import ROOT
from tests.serving import catalog_of, insert, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from catalog.embedded import EmbeddedServer

AUTHORS = [
    *("J.K. Rowling", "J.R.R. Tolkien", "George R.R. Martin", "Ursula K. Le Guin", "村上春樹"),
    *("Flann O'Brien", "Jean-Paul Sartre", "Émile Zola", None, ""),
]
BOOKS = [
    *("Harry Potter and the Chamber of Secrets", "Harry Potter and the Philosopher's Stone"),
    *("The Hobbit", "1984", "AC/DC: Highway to <Hell>", "C++ & you_and_me@example.com", "Naïve"),
    *("2001: A Space Odyssey", "Catch-22", "😀 and 👩\u200d🚀", "-12 +5 ~/x 3.14 1e5", "%&|!:*"),
    *("“Middlemarch” — a ‘Study’…", "«Nana»\u00a0¿Qué?", "吾輩は、猫である。"),
]
NOTHING = b'{"authors":[],"books":[]}'


@pytest.fixture(scope="module")
def client(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[httpx.Client]:
    """A service with those authors and books, all by the first of them."""
    with catalog_of(embedded_server, catalog_template) as (conninfo, client):
        insert(conninfo, "Authors", *({"name": name} for name in AUTHORS))
        insert(conninfo, "Books", *({"title": title, "authorId": 1} for title in BOOKS))
        yield client


def found(client: httpx.Client, text: str) -> list[str]:
    answer = client.get("/search", params={"q": text})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    authors, books = answer.json().values()
    return [author["name"] for author in authors] + [book["title"] for book in books]


# --- What is found


def test_authors_and_books_are_those_of_the_lists_to_the_byte(client: httpx.Client) -> None:
    answer = client.get("/search?q=r")

    lists = client.get("/authors").content + client.get("/books/1").content
    assert list(answer.json()) == ["authors", "books"]
    assert [author["id"] for author in answer.json()["authors"]] == [1, 2, 3]
    authors, books = answer.content.removeprefix(b'{"authors":[').split(b'],"books":[')
    assert authors in lists
    assert books == b"]}"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rowling", ["J.K. Rowling"]),
        ("ROWLING j", ["J.K. Rowling"]),
        ("rowl", ["J.K. Rowling"]),
        ("owling", []),
        ("rowl j", []),  # only the last word may go on
        ("j.k.", ["J.K. Rowling"]),
        ("k", ["J.K. Rowling", "Ursula K. Le Guin"]),
        ("tolkien r.r", ["J.R.R. Tolkien"]),
        ("r.r.", ["J.R.R. Tolkien", "George R.R. Martin"]),
        ("o'br", ["Flann O'Brien"]),
        ("jean-p", ["Jean-Paul Sartre"]),
        ("paul", ["Jean-Paul Sartre"]),
        ("ém", ["Émile Zola"]),
        ("村上", ["村上春樹"]),
        ("potter harry", BOOKS[:2]),
        ("harry potter ph", BOOKS[1:2]),
        ("philosopher's", BOOKS[1:2]),
        ("19", ["1984"]),
        ("ac/d", BOOKS[4:5]),
        ("highway hell", BOOKS[4:5]),
        ("<hell>", BOOKS[4:5]),
        ("c++", BOOKS[0:1] + BOOKS[5:6] + BOOKS[8:9]),
        ("you_and_me@ex", BOOKS[5:6]),
        ("me", BOOKS[5:6]),
        ("example.c", BOOKS[5:6]),
        ("odyssey 2001", BOOKS[7:8]),
        ("22", ["Catch-22"]),
        ("catch-2", ["Catch-22"]),
        ("-12", BOOKS[10:11]),
        ("3.1", BOOKS[10:11]),
        ("😀", BOOKS[9:10]),
        ("middlemarch a study", BOOKS[12:13]),
        ("“middlemarch”—study…", BOOKS[12:13]),
        ("nana qu", BOOKS[13:14]),
        ("猫", BOOKS[14:15]),
        ("j martin", []),
        ("harry tolkien", []),
    ],
)
def test_all_words_are_found_and_the_last_may_go_on(
    client: httpx.Client, text: str, names: list[str]
) -> None:
    assert found(client, text) == names


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "\t\n",
            "\0",
            "'",
            '"',
            "''",
            "'\"'",
            "\\",
            "%",
            "_",
            "*",
            ":*",
            ":",
            "!",
            "&",
            "|",
        ),
        *(
            "(",
            ")",
            "((",
            "<->",
            "<7>",
            "&&",
            "!!",
            "- - -",
            "()",
            "'':*",
            "--",
            "/*",
            ";",
            "$7",
            "%w",
        ),
        *("\u200b", "\ufeff", "\u202e", "\u0301", "…", "{}", "[", "~", "@", "://", "<v>", "&amp"),
    ],
)
def test_a_text_without_words_of_ours_finds_nothing(client: httpx.Client, text: str) -> None:
    assert found(client, text) == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "harry & potter",
            "harry | potter",
            "harry <-> potter",
            "(harry (potter",
            "'harry' 'potter",
        ),
        *(
            '"harry" "potter"',
            "harry:* potter:*",
            "harry\0potter",
            "%harry% potter",
            "-harry potter",
        ),
        *("harry'; potter --", "\\harry\\ \\potter\\", "harry\u00a0potter", "/harry/potter"),
        *(
            "harry, potter!",
            "harry@potter",
            "<harry>potter",
            "harry:* & !potter",
            " harry  potter ",
        ),
    ],
)
def test_there_are_no_operators(client: httpx.Client, text: str) -> None:
    assert found(client, text) == BOOKS[:2]


@pytest.mark.parametrize(
    "text",
    ["a" * 60_000, "harry " * 9_000, "😀" * 5_000, "' " * 15_000, "a-" * 20_000, "é" * 9_000],
)
def test_a_very_long_text_is_no_error(client: httpx.Client, text: str) -> None:
    assert set(found(client, text)) <= {*BOOKS, *AUTHORS}


@settings(deadline=None, max_examples=150)
@given(st.text() | st.text(st.sampled_from("ab '\"\\&|!():*<->@/.%_~+-0\0é😀")))
def test_any_text_is_safe(client: httpx.Client, text: str) -> None:
    answer = client.get("/search", params={"q": text.encode(errors="replace")})

    assert answer.status_code == 200
    assert list(answer.json()) == ["authors", "books"]


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40))
def test_any_bytes_are_safe(client: httpx.Client, text: bytes) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in text)

    assert client.get(f"/search?q={escaped}").status_code == 200


@pytest.mark.slow
@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # it is emptied each time
)
@given(st.text(st.sampled_from(string.ascii_letters + string.punctuation + "12 é—”"), max_size=20))
def test_each_word_of_a_title_is_found_by_its_beginning(catalog_database: str, title: str) -> None:
    words = "".join(one if one.isalnum() else " " for one in title).split()
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute('TRUNCATE "Authors", "Books" RESTART IDENTITY')
        connection.execute("""INSERT INTO "Authors" (name) VALUES ('')""")
        connection.execute("""INSERT INTO "Books" (title, "authorId") VALUES (%s, 1)""", [title])
        for word in words:
            for text in (word, word[:1], title[: title.index(word) + len(word)]):
                [answer] = connection.execute(queries.SEARCH, [1, text, 0, 2] * 2).fetchall()[0]
                assert '"title":' in answer, (title, text)


# --- Pages


def test_a_search_is_bounded_and_goes_on_by_its_link(catalog_database: str) -> None:
    insert(catalog_database, "Authors", *({"name": f"Ann {n}"} for n in range(25)))
    insert(catalog_database, "Books", *({"title": f"Anna {n}", "authorId": 1} for n in range(47)))

    with served(catalog_database) as client:
        pages = [client.get("/search?q=ann")]
        while "next" in pages[-1].links:
            pages.append(client.get(pages[-1].url.join(pages[-1].links["next"]["url"])))

    links = [page.headers.get("link") for page in pages]
    assert links == [
        '<?q=ann&limit=20&after=20,20>; rel="next"',
        '<?q=ann&limit=20&after=25,40>; rel="next"',
        None,
    ]
    bodies = [page.json() for page in pages]
    assert [[len(items) for items in body.values()] for body in bodies] == [
        [20, 20],
        [5, 20],
        [0, 7],
    ]
    for items, count in (("authors", 25), ("books", 47)):
        ids = [item["id"] for body in bodies for item in body[items]]
        assert ids == list(range(1, count + 1))


def test_a_search_has_the_size_that_is_asked_for(client: httpx.Client) -> None:
    answer = client.get("/search?q=r&limit=2")

    assert len(answer.json()["authors"]) == 2
    assert answer.headers["link"] == '<?q=r&limit=2&after=2,>; rel="next"'
    assert "link" not in client.get("/search?q=r&limit=3").headers


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", '"q" is missing: the words to search for.'),
        ("?limit=101&q=a", '"limit" is a whole number from 1 to 100.'),
        ("?q=a&q=a", '"q" is given more than once.'),
        ("?q=a&sort=name", 'There is no parameter "sort" here, only "q", "limit" and "after".'),
    ],
)
def test_a_bad_parameter_is_a_bad_request(client: httpx.Client, query: str, detail: str) -> None:
    answer = client.get(f"/search{query}")

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == detail


# --- Indexes


@pytest.mark.few(3)
@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("text", ["a", "a b", "none", "the"])
def test_the_indexes_find_the_words_without_reading_the_tables(
    catalog_database: str, plans: str, text: str
) -> None:
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO "Authors" (name) SELECT 'the ' || md5(n::text)
                 FROM generate_series(1, 10000) AS n;
               INSERT INTO "Books" (title, "authorId")
               SELECT 'the ' || md5(n::text), 1 FROM generate_series(1, 10000) AS n"""
        )
        # Vacuumed as well: it moves the entries of new rows to where an index finds them fast.
        connection.execute('VACUUM ANALYZE "Authors", "Books"')
        connection.execute(f"SET plan_cache_mode = {plans}".encode())
        values = [20, text, 0, 21] * 2
        explain = b"EXPLAIN " + queries.SEARCH
        plan = [line for (line,) in connection.execute(explain, values, prepare=True)]

    for index in ("Authors_name_words_idx", "Books_title_words_idx"):
        assert any(f'Bitmap Index Scan on "{index}"' in line for line in plan), plan
    assert not any("Seq Scan" in line or "_pkey" in line for line in plan)


def test_without_the_indexes_it_finds_the_same(catalog_database: str) -> None:
    insert(catalog_database, "Authors", *({"name": name} for name in AUTHORS))
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute('DROP INDEX "Authors_name_words_idx"')
        connection.execute('DROP INDEX "Books_title_words_idx"')

    with served(catalog_database) as client:
        assert found(client, "r.r tol") == ["J.R.R. Tolkien"]


# --- Databases that are not as usual


def test_before_the_tables_are_there_it_says_later(database: str) -> None:
    with served(database) as client:
        answer = client.get("/search?q=a")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_what_the_databases_encoding_lacks_is_not_there(embedded_server: EmbeddedServer) -> None:
    name = f"test_{uuid.uuid4().hex}"
    create = "CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    with psycopg.connect(embedded_server.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL(create).format(sql.Identifier(name)))
        try:
            conninfo = make_conninfo(embedded_server.conninfo, dbname=name)
            with psycopg.connect(conninfo, autocommit=True) as other:
                for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                    other.execute(script.read_bytes())
            insert(conninfo, "Authors", {"name": "Zoë"})
            with served(conninfo) as client:
                assert found(client, "zoë") == ["Zoë"]
                for _ in range(8):  # until it is prepared
                    assert client.get("/search?q=😀").content == NOTHING
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))
