"""What trials came to, as values that add up to the row of a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench.results import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.faults.ground import Ground
    from bench.tools import Tool

TOGETHER = 3
"""So many trials run beside each other, if nothing speaks against it."""


@dataclass(frozen=True)
class Outcome:
    """What was seen in one trial, or in several of them together."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By heading: how often it was so, of how often."""
    longest: dict[str, float] = field(default_factory=dict)
    """By heading, in seconds."""
    said: Counter[str] = field(default_factory=Counter)
    """What went wrong, in words, and how often."""

    def __add__(self, other: Outcome) -> Outcome:
        counts, longest = dict(self.counts), dict(self.longest)
        for heading, (often, of) in other.counts.items():
            before = counts.get(heading, (0, 0))
            counts[heading] = (before[0] + often, before[1] + of)
        for heading, seconds in other.longest.items():
            longest[heading] = max(longest.get(heading, 0.0), seconds)
        return Outcome(counts, longest, self.said + other.said)

    def but_said(self, *words: str) -> Outcome:
        """The same with what went wrong."""
        return replace(self, said=self.said + Counter(words))

    def cell(self, heading: str) -> str:
        """What the table says under it; a tool may have no such thing."""
        if heading in self.counts:
            often, of = self.counts[heading]
            return f"{often} of {of}"
        return f"{self.longest[heading]:.2f} s" if heading in self.longest else "–"


@dataclass(frozen=True)
class Scenario:
    """Something that happens to every tool, some times over."""

    name: str
    title: str
    text: str
    """What was done, in a sentence."""
    headings: Sequence[str]
    times: int
    trial: Callable[[Ground, Tool, int], Outcome]
    """The number of the trial counts from 0."""
    at_once: int = TOGETHER
    """How many trials run beside each other."""

    def table(self, outcomes: Mapping[str, Outcome]) -> Table:
        """The outcomes by the title of the tool."""
        rows = [
            [title, *(outcome.cell(heading) for heading in self.headings)]
            for title, outcome in outcomes.items()
        ]
        notes = [
            f"{title}: "
            + "; ".join(f"{often} × {what}" for what, often in outcome.said.most_common(5))
            for title, outcome in outcomes.items()
            if outcome.said
        ]
        return Table(self.title, ["", *self.headings], rows, [self.text, *notes])
