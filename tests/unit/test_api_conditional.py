"""Which bytes have which tag, and which `If-None-Match` names it."""

from __future__ import annotations

import re

import pytest

from catalog.api.conditional import entity_tag, is_unchanged

TAG = entity_tag(b"[]")


def test_a_tag_is_strong_and_short() -> None:
    assert re.fullmatch(r'"[A-Za-z0-9_-]{20}"', TAG)


def test_the_same_bytes_have_the_same_tag_in_every_process() -> None:
    assert entity_tag(b"[]") == '"LpU_SLPYY2Z0530YI_Hi"'


def test_other_bytes_have_another_tag() -> None:
    assert len({entity_tag(body) for body in (b"", b"[]", b"[] ", b"[1]", b"{}")}) == 5


def test_a_page_that_is_no_longer_the_last_has_another_tag() -> None:
    assert entity_tag(b"[]", "?limit=1&after=1") != entity_tag(b"[]")
    assert entity_tag(b"[]", "?limit=1&after=1") != entity_tag(b"[]", "?limit=1&after=2")


@pytest.mark.parametrize(
    "fields",
    [
        [TAG],
        [f"W/{TAG}"],
        ["*"],
        [" * "],
        [f'"other", {TAG}'],
        [f'W/"other",W/{TAG},"third"'],
        [f'"with, a comma" ,\t{TAG}'],
        [f', ,"", {TAG},'],
        ['"other"', TAG],
        ["nonsense", f"W/{TAG}"],
        [f'"\xff", {TAG}'],
    ],
    ids=str,
)
def test_a_client_that_names_the_tag_has_the_answer(fields: list[str]) -> None:
    assert is_unchanged(headers(*fields), TAG)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [""],
        ['"other"'],
        [f'"other", W/"{"x" * 20}"'],
        [TAG.strip('"')],
        [TAG.lower()],
        [f'"{TAG.strip(chr(34))}x"'],
        ['"*"'],
        ['*, "other"'],
        ["**"],
        ['"'],
    ],
    ids=str,
)
def test_a_client_that_does_not_name_it_gets_the_answer(fields: list[str]) -> None:
    assert not is_unchanged(headers(*fields), TAG)


@pytest.mark.parametrize("name", ["if-match", "etag", "if-none-match-", "cookie"])
def test_no_other_field_counts(name: str) -> None:
    assert not is_unchanged([(name.encode(), TAG.encode())], TAG)


def headers(*fields: str) -> list[tuple[bytes, bytes]]:
    named = [(b"if-none-match", field.encode("latin-1")) for field in fields]
    return [(b"host", b"example"), *named, (b"accept", b"*")]
