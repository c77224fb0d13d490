"""Answers that a client has already, over a real connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.serving import catalog_of, insert, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from catalog.embedded import EmbeddedServer

DATA = ["/authors", "/authors?limit=1", "/authors/1", "/books/1", "/books/2", "/books/99999999999"]
DATA += ["/books/1?after=1", "/search?q=a", "/search?q=a&limit=1", "/search?q=", "/openapi.json"]


@pytest.fixture(scope="module")
def client(embedded_server: EmbeddedServer, catalog_template: str) -> Iterator[httpx.Client]:
    """A service with two authors, the first of whom has three books."""
    with catalog_of(embedded_server, catalog_template) as (conninfo, client):
        insert(conninfo, "Authors", {"name": "A"}, {"name": "A"})
        insert(conninfo, "Books", *[{"title": "A", "authorId": 1}] * 3)
        yield client


@pytest.mark.parametrize("path", DATA)
def test_data_has_a_tag_and_is_not_used_without_asking(client: httpx.Client, path: str) -> None:
    first, second = client.get(path), client.get(path)

    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["content-length"] == str(len(first.content))


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("field", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
def test_who_has_it_gets_the_tag_alone(
    client: httpx.Client, path: str, method: str, field: str
) -> None:
    whole = client.get(path)
    field = field.format(tag=whole.headers["etag"])

    answer = client.request(method, path, headers={"If-None-Match": field})

    assert (answer.status_code, answer.content) == (304, b"")
    kept = ("etag", "cache-control", "link", "x-content-type-options")
    assert {**answer.headers, "date": "", "server": ""} == {
        "date": "",
        "server": "",
        **{name: whole.headers[name] for name in kept if name in whole.headers},
    }


@pytest.mark.parametrize("path", DATA)
def test_several_fields_count_as_one(client: httpx.Client, path: str) -> None:
    tag = client.get(path).headers["etag"]

    answer = client.get(path, headers=[("If-None-Match", '"other"'), ("If-None-Match", tag)])

    assert answer.status_code == 304


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize("field", ['"other"', "", "nonsense", '"*"'])
def test_who_has_something_else_gets_all_of_it(client: httpx.Client, path: str, field: str) -> None:
    answer = client.get(path, headers={"If-None-Match": field})

    assert (answer.status_code, answer.content) == (200, client.get(path).content)


@pytest.mark.parametrize("path", DATA)
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    get, head = client.get(path), client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert {**get.headers, "date": ""} == {**head.headers, "date": ""}


def test_a_change_changes_the_tag(catalog_database: str) -> None:
    insert(catalog_database, "Authors", {"name": "A"})
    with served(catalog_database) as client:
        paths = ["/authors", "/authors?limit=5", "/authors/1", "/search?q=a"]
        tags = {path: client.get(path).headers["etag"] for path in paths}
        with psycopg.connect(catalog_database, autocommit=True) as connection:
            connection.execute("""UPDATE "Authors" SET bio = 'B'""")

        for path in paths:
            answer = client.get(path, headers={"If-None-Match": tags[path]})
            assert answer.status_code == 200
            assert answer.headers["etag"] != tags[path]


def test_who_has_the_last_page_learns_that_it_is_no_longer_the_last(catalog_database: str) -> None:
    insert(catalog_database, "Authors", {"name": "A"})
    with served(catalog_database) as client:
        last = client.get("/authors?limit=1")
        insert(catalog_database, "Authors", {"name": "B"})
        now = client.get("/authors?limit=1", headers={"If-None-Match": last.headers["etag"]})

    assert "link" not in last.headers
    assert (now.status_code, now.content) == (200, last.content)
    assert now.headers["link"] == '<?limit=1&after=1>; rel="next"'


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/x", 404),
        ("/authors/9", 404),
        ("/authors/x", 400),
        ("/authors?limit=x", 400),
        ("/search", 400),
    ],
)
def test_only_data_has_a_tag(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path, headers={"If-None-Match": "*"})

    assert answer.status_code == status
    assert not {"etag", "cache-control"} & set(answer.headers)
