"""Names of tables with how large they are, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Sizes = Mapping[str, tuple[int, int] | None]
"""Rows and bytes by the names that facts have for tables; what is below 0 is not known."""

_MOST_NAMES = 3


class Sized:
    """Names of tables, with their sizes where each is mentioned first."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = dict(sizes)

    def __call__(self, name: str) -> str:
        """The name, with the size of its table unless that was said before."""
        size = self._sizes.pop(name, None)
        return name if size is None else f"{name} ({in_words(*size)})"


def in_words(rows: int, size: int) -> str:
    """`12.4 M rows, 3.1 GB`; the rows are an estimate, and so are rounded."""
    known = [_rows(rows)] * (rows >= 0) + [_bytes(size)] * (size >= 0)
    return ", ".join(known) or "of unknown size"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b and 7 more`."""
    if len(names) > _MOST_NAMES:
        names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more"]
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _rows(number: float) -> str:
    if number == 1:
        return "1 row"
    for unit in ("", " k", " M"):
        if number < 999.5:
            return f"{_short(number)}{unit} rows"
        number /= 1000
    return f"{_short(number)} G rows"


def _bytes(number: float) -> str:
    """As Postgres counts them, 1024 to the next unit."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1023.5:
            return f"{_short(number)} {unit}"
        number /= 1024
    return f"{_short(number)} TB"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 99.95 else f"{number:.0f}"
