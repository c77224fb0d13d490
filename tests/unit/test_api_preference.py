from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.api.page.preference import prefers_html

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROMIUM = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    "accept",
    [
        FIREFOX,
        CHROMIUM,
        "text/html",
        "TEXT/HTML",
        "text/html ; Q=0.5",
        "text/html;level=1;q=0.5, text/plain;q=0.4",
        "text/plain;q=0, text/*",
    ],
)
def test_html_is_for_who_names_it(accept: str) -> None:
    assert prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/*",
        "application/json",
        "application/json, */*",
        "text/plain",
        "text/html, text/plain",
        "text/html;q=0.5, text/plain;q=0.6",
        "text/html;q=0",
        "text/html;q=0, */*",
        "text/htmlx",
        ";;;,,q=1",
    ],
)
def test_everybody_else_gets_the_greeting(accept: str) -> None:
    assert not prefers_html(accept)


@given(st.text())
def test_no_text_is_too_odd(accept: str) -> None:
    prefers_html(accept)
