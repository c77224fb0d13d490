"""Places in a text, and the caret that points at them."""

from __future__ import annotations

import pytest

from catalog.migrations.position import Position


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("SELECT 1", 0, Position(1, 1, "SELECT 1")),
        ("SELECT 1", 7, Position(1, 8, "SELECT 1")),
        ("a\nbc\nd", 2, Position(2, 1, "bc")),
        ("a\nbc\nd", 5, Position(3, 1, "d")),
        ("a\n\nb", 2, Position(2, 1, "")),
        # Columns are counted in characters, whatever their width or bytes.
        ("é\n日本x", 4, Position(2, 3, "日本x")),
        ("\U0001f600x", 1, Position(1, 2, "\U0001f600x")),
        ("\tx", 1, Position(1, 2, "\tx")),
    ],
)
def test_an_offset_has_a_line_and_a_column(text: str, offset: int, expected: Position) -> None:
    assert Position.of(text, offset) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT", Position(1, 7, "SELECT")),
        ("a\nb", Position(2, 2, "b")),
        ("", Position(1, 1, "")),
    ],
)
def test_the_end_of_a_text_is_a_place_in_its_last_line(text: str, expected: Position) -> None:
    assert Position.of(text, len(text)) == expected


def test_a_newline_belongs_to_the_line_that_it_ends() -> None:
    assert Position.of("ab\ncd\n", 2) == Position(1, 3, "ab")


def test_the_end_after_a_last_newline_is_shown_in_some_line() -> None:
    # Postgres says "syntax error at end of input" there.
    at = Position.of("SELECT\n", 7)

    assert (at.line, at.column) in ((1, 7), (2, 1))


@pytest.mark.parametrize(
    ("text", "offset", "source", "under"),
    [
        ("SELECT x", 7, "SELECT x", "       ^"),
        # A tab stays one, because nobody knows how wide it is.
        ("\tSELECT\tx", 8, "\tSELECT\tx", "\t      \t^"),
        # Wide characters take two columns, combining ones none.
        ("'日本' x", 5, "'日本' x", "       ^"),
        ("e\u0301 x", 3, "e\u0301 x", "  ^"),
        ("'\U0001f600' x", 4, "'\U0001f600' x", "     ^"),
        ("é x", 2, "é x", "  ^"),
        ("", 0, "", "^"),
    ],
)
def test_the_caret_stands_under_the_place(text: str, offset: int, source: str, under: str) -> None:
    assert Position.of(text, offset).excerpt() == (source, under)


@pytest.mark.parametrize("offset", [0, 37, 38, 39, 5000, 9_999])
def test_a_long_line_is_cut_down_to_what_is_around_the_place(offset: int) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(10_000))

    source, under = Position.of(text, offset).excerpt()

    assert len(source) <= 76
    assert under == " " * (len(under) - 1) + "^"
    assert source[len(under) - 1] == text[offset]


def test_the_end_of_a_long_line_has_its_caret_behind_it() -> None:
    source, under = Position.of("x" * 10_000, 10_000).excerpt()

    assert len(under) == len(source) + 1
