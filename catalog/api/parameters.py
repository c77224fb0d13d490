"""What clients write in an address: ids, pages and texts, turned into values or refused.

Whatever is wrong with one is said at once. Integers have any number of digits here: one that no
row can have is no error, and is found nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_PAGE = 1000
LARGEST_SEARCH = 100  # of authors, and of books
USUAL_SEARCH = 20

_LARGEST_ID = 2**31 - 1  # Postgres' integer
_LARGEST_CURSOR = 2**63 - 1  # Postgres' bigint; cursors are compared, not looked up
_BEFORE_ALL = -_LARGEST_CURSOR
_LONGEST_TEXT = 500  # characters; names and titles have 255
_LONGEST_NAME = 40  # characters of a parameter's name that an error repeats

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_CURSORS = re.compile(r"(-?[0-9]+)?,(-?[0-9]+)?", re.ASCII)


class Refused(Exception):
    """A client wrote what has no meaning here; says everything that is wrong."""


@dataclass(frozen=True)
class Page:
    """So many rows of a list, with ids above `after`."""

    limit: int
    after: int

    def next(self, last: bytes) -> str:
        """The address of the page after this one, relative to it; `last` is its last id.

        Being relative, it is right behind any proxy, under whatever host and path.
        """
        return f"?limit={self.limit}&after={last.decode()}"


@dataclass(frozen=True)
class Search:
    """So many of the authors and of the books with these words, each above an id."""

    text: str
    limit: int
    after: tuple[int | None, int | None]
    """Ids of an author and of a book; `None` is before all of them."""

    @property
    def cursors(self) -> tuple[int, int]:
        """The ids above which authors and books are wanted."""
        author, book = (_BEFORE_ALL if cursor is None else cursor for cursor in self.after)
        return author, book

    def next(self, last: bytes) -> str:
        """The address of the page after this one; `last` has its last ids, empty for none."""
        after = [
            end or ("" if given is None else str(given))
            for end, given in zip(last.decode().split(","), self.after, strict=True)
        ]
        return f"?q={quote(self.text, safe='')}&limit={self.limit}&after={','.join(after)}"


def author_id(text: str) -> int | None:
    """The id, or `None` for one that no row can have.

    Raises:
        Refused: It is not a whole number.
    """
    if not _INTEGER.fullmatch(text):
        raise Refused("An author's id is a whole number.")
    number = _bounded(text, _LARGEST_ID + 2)
    return number if -_LARGEST_ID - 1 <= number <= _LARGEST_ID else None


def none(query: bytes) -> None:
    """Take no parameters.

    Raises:
        Refused: There are some.
    """
    if query:
        _refuse(_parse(query, ())[1])


def page(query: bytes) -> Page | None:
    """The page of a list that is asked for, or `None` for the whole of it.

    Who names only where to begin gets the largest page: the rest of a list has no bound.

    Raises:
        Refused: The parameters are not `limit` and `after`, once at most, with good values.
    """
    if not query:
        return None
    given, wrong = _parse(query, ("limit", "after"))
    limit = _limit(given, LARGEST_PAGE, LARGEST_PAGE, wrong)
    after = given.get("after", "")
    if "after" in given and not _INTEGER.fullmatch(after):
        wrong.append('"after" is an id, which is a whole number.')
    _refuse(wrong)
    if not given:
        return None
    return Page(limit, _bounded(after, _LARGEST_CURSOR) if after else _BEFORE_ALL)


def search(query: bytes) -> Search:
    """The search that is asked for. Its text may be any.

    Raises:
        Refused: `q` is missing, or another parameter is not `limit` or `after`, once at most,
            with a good value.
    """
    given, wrong = _parse(query, ("q", "limit", "after"))
    if "q" not in given and not wrong:
        wrong.append('"q" is missing: the words to search for.')
    # Postgres has no NUL in its texts, so no row has one.
    text = given.get("q", "").replace("\0", " ")[:_LONGEST_TEXT]
    limit = _limit(given, LARGEST_SEARCH, USUAL_SEARCH, wrong)
    after = _CURSORS.fullmatch(given.get("after", ","))
    if not after:
        wrong.append('"after" is two ids with a comma between, of an author and of a book.')
    _refuse(wrong)
    author, book = (
        _bounded(cursor, _LARGEST_CURSOR) if cursor else None
        for cursor in (after.groups() if after else (None, None))
    )
    return Search(text, limit, (author, book))


def _parse(query: bytes, known: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The parameters by name, and what is wrong with the names."""
    # Escaped or not, text is UTF-8; what is none becomes U+FFFD.
    pairs = parse_qsl(query.decode(errors="replace"), keep_blank_values=True)
    names = [f'"{name}"' for name in known]
    there = ", only " + " and ".join(", ".join(names).rsplit(", ", 1)) if names else ""
    given: dict[str, str] = {}
    wrong: dict[str, None] = {}
    for name, value in pairs:
        if name not in known:
            wrong[f"There is no parameter {_named(name)} here{there}."] = None
        elif name in given:
            wrong[f'"{name}" is given more than once.'] = None
        else:
            given[name] = value
    return given, list(wrong)


def _named(name: str) -> str:
    return f'"{name[:_LONGEST_NAME]}{"…" if len(name) > _LONGEST_NAME else ""}"'


def _limit(given: dict[str, str], most: int, usual: int, wrong: list[str]) -> int:
    text = given.get("limit", str(usual))
    number = _bounded(text, most + 1) if _INTEGER.fullmatch(text) else 0
    if not 1 <= number <= most:
        wrong.append(f'"limit" is a whole number from 1 to {most}.')
    return number


def _bounded(text: str, bound: int) -> int:
    """The integer, or the bound on its side of 0 if it is beyond that."""
    digits = text.removeprefix("-").lstrip("0") or "0"
    # int() refuses thousands of digits.
    number = bound if len(digits) > len(str(bound)) else min(int(digits), bound)
    return -number if text.startswith("-") else number


def _refuse(wrong: Sequence[str]) -> None:
    if wrong:
        raise Refused(" ".join(wrong))
