"""Figures of several rounds, as tables tell them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def paired(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """The ratios of rounds that lay side by side."""
    return [this / that for this, that in zip(these, those, strict=True)]


def spread(values: Sequence[float], digits: int) -> str:
    """The median, with the extremes."""
    middle, low, high = median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"
