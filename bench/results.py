"""What a part of the benchmarks found: tables, plots, ratios, and the targets it was held to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Table:
    """A table as it is printed."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    """Paragraphs below it."""


@dataclass(frozen=True)
class Panel:
    """Bars side by side, the longest of which fills the width; ours comes first."""

    title: str
    unit: str
    bars: dict[str, float]


@dataclass(frozen=True)
class Bars:
    """A picture of several panels."""

    name: str
    """Of the file."""
    title: str
    panels: list[Panel]


@dataclass(frozen=True)
class Lines:
    """A picture of lines; both axes are logarithmic."""

    name: str
    title: str
    x: str
    y: str
    lines: dict[str, list[list[float]]]
    """Points of x and y."""


@dataclass(frozen=True)
class Target:
    """What one of the project's issues asks for."""

    what: str
    at_least: float | None
    at_most: float | None
    measured: float

    @property
    def holds(self) -> bool:
        """Whether it was met."""
        return (self.at_least is None or self.measured >= self.at_least) and (
            self.at_most is None or self.measured <= self.at_most
        )


@dataclass(frozen=True)
class Section:
    """All that one part found."""

    name: str
    title: str
    text: list[str]
    """Paragraphs: what was done, and how."""
    tables: list[Table]
    bars: list[Bars] = field(default_factory=list)
    lines: list[Lines] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    """Theirs to ours or ours to theirs, by what is compared: what two runs have to agree on."""
    machine: dict[str, str] = field(default_factory=dict)
    """When and where it ran, and how long."""
    agreement: str = ""
    """How far it agrees with the run before, in words."""


def save(sections: list[Section], file: Path) -> None:
    """Write them down, wholly or not at all."""
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps([asdict(section) for section in sections], indent=1) + "\n")
    unfinished.replace(file)


def load(file: Path) -> list[Section]:
    """Read what was written down; nothing, if nothing was."""
    return [_section(data) for data in json.loads(file.read_text())] if file.exists() else []


def _section(data: dict[str, Any]) -> Section:
    return Section(
        **{
            **data,
            "tables": [Table(**table) for table in data["tables"]],
            "bars": [
                Bars(**{**bars, "panels": [Panel(**panel) for panel in bars["panels"]]})
                for bars in data["bars"]
            ],
            "lines": [Lines(**lines) for lines in data["lines"]],
            "targets": [Target(**target) for target in data["targets"]],
        }
    )
