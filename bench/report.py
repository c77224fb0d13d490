"""What was found, as `bench/RESULTS.md` and its plots."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from bench import results
from bench.packages import installed
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.results import Bars, Lines, Section, Table, Target

RECORD = ROOT / "bench/results.json"
REPORT = ROOT / "bench/RESULTS.md"
PLOTS = ROOT / "bench/plots"
DRAWING = ROOT / "bench/drawing"


def write() -> None:
    """Make the report and its plots of what is on record."""
    REPORT.write_text(report(results.load(RECORD)))
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    folder = installed(DRAWING)
    draw = [str(folder / "venv/bin/python"), "-I", "draw.py", str(RECORD), str(PLOTS)]
    subprocess.run(draw, cwd=folder, check=True)


def report(sections: list[Section]) -> str:
    """The whole text."""
    return "\n".join(
        [
            "# Results",
            "",
            "Made by `bench/run`. Times mean nothing elsewhere; ratios and round trips do.",
            "",
            *_verdict(sections),
            "",
            "## Where, when and what",
            "",
            *_facts(sections),
            *(line for section in sections for line in _section(section)),
            "",
        ]
    )


def _verdict(sections: list[Section]) -> Iterator[str]:
    targets = [target for section in sections for target in section.targets]
    missed = [target for target in targets if not target.holds]
    if missed:
        yield f"**Missed: {len(missed)} of {len(targets)} targets.**"
        yield ""
        for target in missed:
            yield f"- {target.what}: {target.measured:,.2f}, wanted {_wanted(target)}"
    else:
        yield f"All {len(targets)} targets hold."
    yield ""
    if quick := [section.name for section in sections if section.machine["Run"] == "quick"]:
        yield (
            f"A quick run ({', '.join(quick)}): what takes long was left out, and the targets that"
            " need it are not among these."
        )
        yield ""
    if agreements := [section for section in sections if section.agreement]:
        yield from (f"- {section.name}: {section.agreement}" for section in agreements)
        yield ""
    yield from _rows(
        ["target", "wanted", "measured"],
        [
            [
                target.what,
                _wanted(target),
                f"{target.measured:,.2f}" + ("" if target.holds else " **missed**"),
            ]
            for target in targets
        ],
    )


def _wanted(target: Target) -> str:
    if target.at_least is not None:
        return f"at least {target.at_least:,g}"
    return f"at most {target.at_most:,g}"


def _facts(sections: list[Section]) -> Iterator[str]:
    """One line for each fact; where the sections differ, what holds for which."""
    for name in dict.fromkeys(name for section in sections for name in section.machine):
        values = {
            section.name: section.machine[name] for section in sections if name in section.machine
        }
        if len(set(values.values())) == 1:
            told = next(iter(values.values()))
        else:
            told = "; ".join(f"{section}: {value}" for section, value in values.items())
        yield f"- {name}: {told}"


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {section.title}")
    for paragraph in section.text:
        yield from ("", paragraph)
    plots: list[Bars | Lines] = [*section.bars, *section.lines]
    for plot in plots:
        yield from ("", f"![{plot.title}](plots/{plot.name}.svg)")
    for table in section.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"### {table.title}")
    yield ""
    yield from _rows(table.header, table.rows)
    for note in table.notes:
        yield from ("", note)


def _rows(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"
