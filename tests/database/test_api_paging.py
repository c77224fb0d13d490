"""Pages of the lists, and one author; the rows' bytes are those of the whole lists."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.api import queries
from tests.odd_values import OURS_ALONE, TEXTS, TIMES
from tests.serving import catalog_of, insert, served
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from catalog.embedded import EmbeddedServer

LEAST, GREATEST = -(2**31), 2**31 - 1
IDS = [LEAST, -5, 0, 1, 2, 10, 11, GREATEST]
NEW_YEAR = "2026-01-01 00:00:00+00"
ALL_TIMES = {**TIMES, **OURS_ALONE}


@pytest.fixture(scope="module")
def client(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[httpx.Client]:
    """A service with authors of those ids, and as many books by author 2, one each by 10 and 11."""
    with catalog_of(embedded_server, catalog_template) as (conninfo, client):
        insert(conninfo, "Authors", *({"id": one, "name": f"A{one}"} for one in IDS))
        books = [{"id": one, "title": f"B{one}", "authorId": 2} for one in IDS]
        others = [{"id": one, "title": "C", "authorId": one} for one in (10 - 3, 11 - 3)]
        insert(conninfo, "Books", *books, *({**book, "authorId": 10} for book in others))
        yield client


# --- Pages


@pytest.mark.parametrize("path", ["/authors", "/books/2"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 1000])
def test_the_pages_make_the_whole_list(client: httpx.Client, path: str, limit: int) -> None:
    whole = client.get(path)

    pages = follow(client, f"{path}?limit={limit}")

    assert [page.status_code for page in pages] == [200] * -(-len(IDS) // limit)
    assert b"[" + b",".join(page.content[1:-1] for page in pages) + b"]" == whole.content
    assert "link" not in whole.headers


def test_the_link_is_relative_and_says_the_same_size(client: httpx.Client) -> None:
    page = client.get("/authors?limit=3")

    assert page.headers["link"] == '<?limit=3&after=0>; rel="next"'
    assert page.links["next"]["url"] == "?limit=3&after=0"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("after=2&limit=2", [10, 11]),
        ("after=3", [10, 11, GREATEST]),
        ("after=-2147483649", IDS),
        ("after=-2147483648&limit=1", [-5]),
        ("after=2147483646", [GREATEST]),
        ("after=2147483647", []),
        ("after=99999999999999999999999", []),
        ("limit=8", IDS),
    ],
)
@pytest.mark.parametrize("path", ["/authors", "/books/2"])
def test_a_page_begins_after_an_id(
    client: httpx.Client, path: str, query: str, ids: list[int]
) -> None:
    page = client.get(f"{path}?{query}")

    assert [row["id"] for row in page.json()] == ids
    assert ("link" in page.headers) == (ids in ([-5], [10, 11]))


@pytest.mark.parametrize("path", ["/books/1", "/books/99999999999"])
def test_a_page_of_nothing_is_empty(client: httpx.Client, path: str) -> None:
    page = client.get(f"{path}?limit=3&after=1")

    assert (page.status_code, page.content) == (200, b"[]")
    assert "link" not in page.headers


def test_whoever_names_only_the_beginning_gets_the_largest_page(catalog_database: str) -> None:
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute('INSERT INTO "Authors" (name) SELECT n FROM generate_series(1, 1002) n')

    with served(catalog_database) as client:
        page = client.get("/authors?after=1")
        assert len(page.json()) == 1000
        assert page.headers["link"] == '<?limit=1000&after=1001>; rel="next"'
        assert len(client.get("/authors?after=2").json()) == 1000
        assert "link" not in client.get("/authors?after=2").headers


def test_odd_values_are_the_same_in_pages(catalog_database: str) -> None:
    rows = [{"createdAt": time, "updatedAt": NEW_YEAR} for time in ALL_TIMES]
    insert(catalog_database, "Authors", *({"name": text, "bio": text} for text in TEXTS), *rows)
    titles = [{"title": text} for text in TEXTS if text is not None]
    timed = [{"title": "\n", **row} for row in rows]
    insert(catalog_database, "Books", *({**book, "authorId": 1} for book in [*titles, *timed]))

    with served(catalog_database) as client:
        for path in ("/authors", "/books/1"):
            pages = follow(client, f"{path}?limit=7")
            assert b"[" + b",".join(page.content[1:-1] for page in pages) + b"]" == (
                client.get(path).content
            )
        ids = [row["id"] for row in client.get("/authors").json()]
        authors = [client.get(f"/authors/{one}").content for one in ids]
        assert b"[" + b",".join(authors) + b"]" == client.get("/authors").content


@pytest.mark.parametrize("path", ["/authors", "/books/2", "/books/99999999999"])
@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", '"limit" is a whole number from 1 to 1000.'),
        ("limit=1&limit=1", '"limit" is given more than once.'),
        ("after=x", '"after" is an id, which is a whole number.'),
        ("page=2", 'There is no parameter "page" here, only "limit" and "after".'),
    ],
)
def test_a_bad_parameter_is_a_bad_request_that_names_it(
    client: httpx.Client, path: str, query: str, detail: str
) -> None:
    assert_bad_request(client.get(f"{path}?{query}"), detail)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["limit", "after", "page"]), st.text() | st.integers()))
def test_no_parameters_are_our_fault(client: httpx.Client, parameters: dict[str, str]) -> None:
    for path in ("/authors", "/books/2", "/authors/2"):
        assert client.get(path, params=parameters).status_code in (200, 400)


@settings(deadline=None, max_examples=60)
@given(st.integers() | st.text(min_size=1))
def test_no_id_is_our_fault(client: httpx.Client, one: object) -> None:
    for path in ("/authors", "/books"):
        answer = client.get(f"{path}/{quote(str(one), safe='', errors='replace')}")
        assert answer.status_code in (200, 400, 404)


def test_a_page_is_one_round_trip(catalog_database: str) -> None:
    insert(catalog_database, "Authors", {"name": "A"}, {"name": "B"})
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        paths = ["/authors?limit=1", "/books/1?limit=1", "/authors/1", "/search?q=a"]
        for path in paths * 10:  # until it is prepared
            client.get(path)
        for path in paths:
            wire.answers.clear()
            assert client.get(path).status_code == 200
            assert wire.answers == ["I"]


@pytest.mark.few(3)
@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("query", "values", "index"),
    [
        (queries.PAGE_OF_AUTHORS, [20, 7, 21], '"Authors_pkey"'),
        (queries.PAGE_OF_BOOKS, [20, 7, 7, 21], '"Books_authorId_id_idx"'),
        (queries.AUTHOR, [7], '"Authors_pkey"'),
    ],
    ids=["authors", "books", "author"],
)
def test_a_page_reads_no_more_than_itself(
    catalog_database: str, plans: str, query: bytes, values: list[int], index: str
) -> None:
    with psycopg.connect(catalog_database, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO "Authors" (name) SELECT n FROM generate_series(1, 20000) AS n;
               INSERT INTO "Books" (title, "authorId")
               SELECT n, n % 100 + 1 FROM generate_series(1, 20000) AS n;
               ANALYZE "Authors", "Books\""""
        )
        connection.execute(f"SET plan_cache_mode = {plans}".encode())
        explain = b"EXPLAIN " + query
        plan = [line for (line,) in connection.execute(explain, values, prepare=True)]

    assert any(index in line for line in plan), plan
    assert not any("Seq Scan" in line for line in plan)


# --- One author


@pytest.mark.parametrize("one", IDS)
def test_an_author_is_the_object_of_the_list(client: httpx.Client, one: int) -> None:
    answer = client.get(f"/authors/{one}")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == one
    assert answer.content in client.get("/authors").content


@pytest.mark.parametrize("one", ["3", "-1", "2147483648", "-2147483649", "9" * 5000])
def test_an_author_who_is_not_there_is_not_found(client: httpx.Client, one: str) -> None:
    answer = client.get(f"/authors/{one}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "There is no author with this id."
    assert "etag" not in answer.headers


def test_an_author_takes_no_parameters(client: httpx.Client) -> None:
    assert_bad_request(client.get("/authors/2?limit=1"), 'There is no parameter "limit" here.')


def follow(client: httpx.Client, url: str) -> list[httpx.Response]:
    """All pages from there on."""
    pages = [client.get(url)]
    while "next" in pages[-1].links:
        pages.append(client.get(pages[-1].url.join(pages[-1].links["next"]["url"])))
    return pages


def assert_bad_request(answer: httpx.Response, detail: str) -> None:
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": detail,
    }
    assert "etag" not in answer.headers
