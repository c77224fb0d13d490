"""What the service answers without asking the database: here, there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serving import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


ADDRESSES = [
    *("/", "/authors", "/authors/1", "/authors/abc", "/books/1", "/books/abc"),
    *("/search", "/search?q=a", "/openapi.json"),
]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served("host=/nowhere password=secret") as client:
        yield client


def test_it_greets(client: httpx.Client) -> None:
    answer = client.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.content == b"Hello World! This is a book catalog."


@pytest.mark.parametrize(
    "too_large",
    [
        "2147483648",
        "-2147483649",
        "4294967297",
        "99999999999999999999",
        "9" * 5000,
        "-" + "9" * 5000,
        "00000000002147483648",
    ],
    ids=lambda text: text[:24],
)
def test_no_row_has_an_id_outside_integer(client: httpx.Client, too_large: str) -> None:
    answer = client.get(f"/books/{too_large}")

    assert (answer.status_code, answer.content) == (200, b"[]")
    assert answer.headers["content-type"] == "application/json"
    answer = client.get(f"/authors/{too_large}")
    assert_problem(answer, 404, "Not Found", "There is no author with this id.")


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1.5",
        "1abc",
        "abc1",
        "1e3",
        "0x10",
        "1_000",
        "+1",
        "-",
        "--1",
        "1-",
        "%20",
        "%201",
        "1%20",
        "1%0A",
        "%00",
        "1%00",
        "%ff",
        "%F0%9F%98%80",
        "%D9%A1",  # an Arabic-Indic one
        "%EF%BC%91",  # a full-width one
        "%C2%B2",  # a superscript two
        "%E2%88%921",  # a mathematician's minus
        "null",
        "NaN",
        "%25",
        "1;DROP",
        "'",
    ],
)
def test_an_id_that_is_no_whole_number_is_a_bad_request(client: httpx.Client, text: str) -> None:
    for path in ("/books", "/authors"):
        answer = client.get(f"{path}/{text}")

        assert_problem(answer, 400, "Bad Request", "An author's id is a whole number.")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/books",
        "/books/",
        "/books/1/",
        "/books/1/2",
        "/books/1%2F2",
        "/authors/",
        "/Authors",
        "/authors%0A",
        "/%0A",
        "/authors%00",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
    ],
)
def test_an_unknown_address_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)

    assert_problem(answer, 404, "Not Found", "There is nothing at this address.")


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path)

    assert_problem(answer, 405, "Method Not Allowed", "This address does not take that method.")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ADDRESSES)
def test_options_tells_the_methods(client: httpx.Client, path: str) -> None:
    answer = client.options(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_an_unknown_address_has_no_options(client: httpx.Client) -> None:
    assert_problem(client.options("/x"), 404, "Not Found", "There is nothing at this address.")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/books/99999999999", 200),
        ("/books/x", 400),
        ("/x", 404),
        ("/openapi.json", 200),
    ],
)
def test_head_is_get_without_the_body(client: httpx.Client, path: str, status: int) -> None:
    get, head = client.get(path), client.head(path)

    assert (head.status_code, head.content) == (status, b"")
    assert {**get.headers, "date": ""} == {**head.headers, "date": ""}


def assert_problem(answer: httpx.Response, status: int, title: str, detail: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
