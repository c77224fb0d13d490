"""The page's files over HTTP; what it does in a browser is in `tests/whole/test_page.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.api.page import FILES, GREETING, PAGE
from tests.serving import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served("host=/nowhere") as client:
        yield client


def test_a_browser_gets_the_page_and_everybody_else_the_greeting(client: httpx.Client) -> None:
    page = client.get("/", headers=BROWSER)
    greeting = client.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.content == FILES[PAGE]
    assert greeting.headers["content-type"] == "text/plain; charset=utf-8"
    assert greeting.text == GREETING
    assert {page.headers["vary"], greeting.headers["vary"]} == {"Accept"}


def test_all_that_the_page_names_is_there(client: httpx.Client) -> None:
    for name in set(FILES) - {PAGE}:
        assert client.get(f"/page/{name}").content == FILES[name]
    for name in (PAGE, "none", "", "__init__.py", "%2e%2e/app.py"):
        assert client.get(f"/page/{name}").status_code == 404
    assert client.get("/page").status_code == 404


def test_a_browser_keeps_it_until_it_changes(client: httpx.Client) -> None:
    for path in ("/", "/page/script.js"):
        first = client.get(path, headers=BROWSER)
        again = client.get(path, headers={**BROWSER, "If-None-Match": first.headers["etag"]})

        assert first.headers["cache-control"] == "no-cache"
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers.get("vary") == first.headers.get("vary")


def test_it_may_load_nothing_from_elsewhere_and_run_nothing_inline(client: httpx.Client) -> None:
    policy = client.get("/", headers=BROWSER).headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in policy


def test_the_whole_page_is_small() -> None:
    assert sum(map(len, FILES.values())) < 30_000
