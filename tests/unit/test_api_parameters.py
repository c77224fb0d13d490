"""What clients write in an address, and what it means or why it does not mean anything."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qs, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.api import parameters
from catalog.api.parameters import Page, Refused, Search

BEFORE_ALL = -(2**63) + 1
LIMIT = '"limit" is a whole number from 1 to 1000.'
AFTER = '"after" is an id, which is a whole number.'


# --- Pages


@pytest.mark.parametrize("query", [b"", b"&", b"&&"])
def test_without_parameters_the_whole_list_is_meant(query: bytes) -> None:
    assert parameters.page(query) is None


@pytest.mark.parametrize(
    ("query", "page"),
    [
        (b"limit=1", Page(1, BEFORE_ALL)),
        (b"limit=1000&after=7", Page(1000, 7)),
        (b"after=7&limit=0002", Page(2, 7)),
        (b"after=7", Page(1000, 7)),
        (b"after=-7", Page(1000, -7)),
        (b"after=-0", Page(1000, 0)),
        (b"after=%37&", Page(1000, 7)),
        (b"after=2147483648", Page(1000, 2**31)),
        (b"after=9223372036854775808", Page(1000, 2**63 - 1)),
        (b"after=" + b"9" * 5000, Page(1000, 2**63 - 1)),
        (b"after=-" + b"9" * 5000, Page(1000, BEFORE_ALL)),
        (b"after=" + b"0" * 5000 + b"7", Page(1000, 7)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_page_has_a_size_and_a_beginning(query: bytes, page: Page) -> None:
    assert parameters.page(query) == page


@pytest.mark.parametrize(
    "value",
    [
        *("", "0", "-1", "1001", "1.0", "1e2", "ten", " 1", "+1", "1_0", "0x1", "null", "٣", "²"),
        *("%00", "1%00", "1%0A", "%ff", "9" * 5000, "-" + "9" * 5000),
    ],
    ids=lambda value: value[:24],
)
def test_a_bad_limit_is_refused(value: str) -> None:
    refused(LIMIT, f"limit={value}")


@pytest.mark.parametrize("value", ["", "-", "x", "1.5", "+1", "--1", "1,2", "null", "٣", "1%0A"])
def test_a_bad_beginning_is_refused(value: str) -> None:
    refused(AFTER, f"after={value}")


def test_a_parameter_counts_once() -> None:
    refused('"limit" is given more than once.', "limit=1&limit=1")
    refused('"after" is given more than once.', "limit=1&after=1&after=&after=2")


def test_an_unknown_parameter_is_named() -> None:
    only = ', only "limit" and "after".'
    refused(f'There is no parameter "page" here{only}', "limit=2&page=2")
    refused(f'There is no parameter "Limit" here{only}', "Limit=2")
    refused(f'There is no parameter "" here{only}', "=2")
    refused(f'There is no parameter "a\0\r\nb" here{only}', "a%00%0D%0Ab")
    refused(f'There is no parameter "{"x" * 40}…" here{only}', "x" * 50_000)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Refused) as refusal:
        parameters.page(b"offset=1&limit=0&limit=2&after=x&offset=2")

    assert str(refusal.value) == (
        'There is no parameter "offset" here, only "limit" and "after".'
        f' "limit" is given more than once. {LIMIT} {AFTER}'
    )


def test_the_next_page_has_the_same_size() -> None:
    assert Page(3, 1).next(b"17") == "?limit=3&after=17"
    assert parameters.page(b"limit=3&after=17") == Page(3, 17)


# --- Searches


@pytest.mark.parametrize(
    ("query", "search"),
    [
        ("q=a", Search("a", 20, (None, None))),
        ("q=", Search("", 20, (None, None))),
        ("q", Search("", 20, (None, None))),
        ("q=a+b%20c%2Bd", Search("a b c+d", 20, (None, None))),
        ("q=%C3%9C", Search("Ü", 20, (None, None))),
        ("q=Ü", Search("Ü", 20, (None, None))),
        ("q=%ff", Search("\ufffd", 20, (None, None))),
        ("q=a%00b", Search("a b", 20, (None, None))),
        ("q=a;limit=3", Search("a;limit=3", 20, (None, None))),
        ("q=a=b", Search("a=b", 20, (None, None))),
        ("q=" + "x" * 50_000, Search("x" * 500, 20, (None, None))),
        ("limit=100&q=a&after=-3,8", Search("a", 100, (-3, 8))),
        ("q=a&after=,8", Search("a", 20, (None, 8))),
        ("q=a&after=3,", Search("a", 20, (3, None))),
        ("q=a&after=,", Search("a", 20, (None, None))),
        ("q=a&after=3%2C8", Search("a", 20, (3, 8))),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_search_takes_any_text(query: str, search: Search) -> None:
    assert parameters.search(query.encode()) == search


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("", '"q" is missing: the words to search for.'),
        ("limit=5", '"q" is missing: the words to search for.'),
        ("Q=a", 'There is no parameter "Q" here, only "q", "limit" and "after".'),
        ("q=a&q=b", '"q" is given more than once.'),
        ("q=a&limit=101", '"limit" is a whole number from 1 to 100.'),
        ("q=a&after=7", '"after" is two ids with a comma between, of an author and of a book.'),
        ("q=a&after=1,2,3", '"after" is two ids with a comma between, of an author and of a book.'),
        ("q=a&after=", '"after" is two ids with a comma between, of an author and of a book.'),
    ],
)
def test_a_search_has_good_parameters(query: str, wrong: str) -> None:
    with pytest.raises(Refused) as refusal:
        parameters.search(query.encode())

    assert str(refusal.value) == wrong


def test_the_next_page_of_a_search_goes_on_where_each_list_ended() -> None:
    search = Search("a b", 5, (3, None))

    assert search.next(b"7,8") == "?q=a%20b&limit=5&after=7,8"
    assert search.next(b",8") == "?q=a%20b&limit=5&after=3,8"
    assert search.next(b"7,") == "?q=a%20b&limit=5&after=7,"


@given(st.text(), st.integers(1, 100), st.integers(1, 2**31), st.integers(1, 2**31))
def test_a_next_page_leads_there_and_is_safe_in_a_header(
    text: str, limit: int, author: int, book: int
) -> None:
    search = parameters.search(f"q={quote(text, errors='replace')}&limit={limit}".encode())

    link = search.next(f"{author},{book}".encode())

    assert link.isascii()
    assert link.isprintable()
    assert not set(link) & set(' "<>\\')
    assert parameters.search(link[1:].encode()) == Search(search.text, limit, (author, book))
    assert parse_qs(link[1:], keep_blank_values=True)["q"] == [search.text]


# --- Anything


@given(st.binary())
def test_any_bytes_are_taken_or_refused(query: bytes) -> None:
    for read in (parameters.none, parameters.page, parameters.search):
        with suppress(Refused):
            read(query)


@given(st.text())
def test_any_text_is_an_id_or_refused(text: str) -> None:
    with suppress(Refused):
        number = parameters.author_id(text)
        assert number is None or -(2**31) <= number < 2**31


def test_where_there_are_no_parameters_any_is_refused() -> None:
    parameters.none(b"")
    parameters.none(b"&")
    with pytest.raises(Refused, match=r'^There is no parameter "x" here\.$'):
        parameters.none(b"x=1")


def refused(wrong: str, query: str) -> None:
    with pytest.raises(Refused) as refusal:
        parameters.page(query.encode())
    assert str(refusal.value) == wrong
