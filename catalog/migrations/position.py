"""Places in a text, for messages that point at them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_LONGEST_EXCERPT = 76  # columns; with its indent it fits a terminal, where folding would hurt


@dataclass(frozen=True)
class Position:
    """A line and a column, both from 1 and counted in characters, and the line itself."""

    line: int
    column: int
    source: str

    @classmethod
    def of(cls, text: str, offset: int) -> Position:
        """The place of a character offset (from 0); one past the end is the end."""
        offset = min(offset, len(text))
        line_start = text.rfind("\n", 0, offset) + 1
        line_end = text.find("\n", line_start)
        source = text[line_start : line_end if line_end >= 0 else len(text)]
        return cls(text.count("\n", 0, line_start) + 1, offset - line_start + 1, source)

    def excerpt(self) -> tuple[str, str]:
        """The line, cut down to what is around the place, and a caret to print under it."""
        start = max(0, self.column - 1 - _LONGEST_EXCERPT // 2)
        source = self.source[start : start + _LONGEST_EXCERPT]
        before = source[: self.column - 1 - start]
        # A tab stays a tab and a wide character takes two columns, so that the caret fits.
        blanks = "".join("\t" if char == "\t" else " " * _width(char) for char in before)
        return source, blanks + "^"


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
