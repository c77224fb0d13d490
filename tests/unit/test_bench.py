from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench import report, results
from bench.agreement import agreement
from bench.results import Bars, Panel, Section, Table, Target
from catalog.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def section(
    name: str,
    *targets: Target,
    day: str = "2026-11-25",
    ratios: dict[str, float] | None = None,
) -> Section:
    return Section(
        name,
        name.title(),
        ["What was done."],
        [Table("Times", ["", "s"], [["this project", "1"]], ["A note."])],
        bars=[Bars(name, "Seconds", [Panel("All", "s", {"this project": 1.0})])],
        targets=list(targets),
        machine={"Run": "whole", "Machine": "A", "Commit": "abc", "Day": day, "Postgres": "18"},
        ratios=ratios or {},
    )


def test_a_missed_target_is_named_before_everything_else() -> None:
    missed = Target("six times Express", at_least=6, at_most=None, measured=5.5)
    held = Target("three round trips", at_least=None, at_most=3, measured=2)

    said = report.report([section("api", missed), section("runner", held)])

    head = said.partition("\n## ")[0]
    assert "**Missed: 1 of 2 targets.**" in head
    assert "- six times Express: 5.50, wanted at least 6" in head
    assert "| three round trips | at most 3 | 2.00 |" in head


def test_that_all_targets_hold_is_said() -> None:
    held = Target("six times Express", at_least=6, at_most=None, measured=6)
    assert "All 1 targets hold." in report.report([section("api", held)])


def test_a_fact_that_differs_between_parts_is_told_for_each() -> None:
    said = report.report([section("api", day="2026-11-25"), section("faults", day="2026-11-26")])
    assert "- Day: api: 2026-11-25; faults: 2026-11-26\n- Postgres: 18\n" in said


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    sections = [section("api", Target("six", at_least=6, at_most=None, measured=6))]
    results.save(sections, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == sections


@pytest.mark.parametrize(("one", "other"), [(1.0, 1.2), (1.2, 1.0), (5.0, 5.9)])
def test_ratios_within_a_fifth_agree(one: float, other: float) -> None:
    said = agreement(section("api", ratios={"up": one}), section("api", ratios={"up": other}))
    assert said == "1 of 1 ratios are within 20% of the run before, at abc"


def test_ratios_further_apart_are_named() -> None:
    now = section("api", ratios={"up": 1.0, "down": 2.0, "new": 1.0})
    before = section("api", ratios={"up": 1.21, "down": 2.1})
    assert agreement(now, before) == (
        "1 of 2 ratios are within 20% of the run before, at abc; up 1.00, before 1.21"
    )


def test_a_run_elsewhere_is_not_compared() -> None:
    now = section("api", ratios={"up": 1.0})
    elsewhere = replace(now, machine={**now.machine, "Machine": "B"})
    assert agreement(now, elsewhere) == ""
    assert agreement(now, None) == ""


def test_the_report_is_what_the_record_says() -> None:
    assert report.REPORT.read_text() == report.report(results.load(report.RECORD))


def test_every_plot_is_there_and_legible_on_light_and_dark() -> None:
    shown = set(re.findall(r"\]\(plots/([\w-]+\.svg)\)", report.REPORT.read_text()))
    assert shown == {plot.name for plot in report.PLOTS.glob("*.svg")}
    for name in shown:
        drawn = (report.PLOTS / name).read_text()
        assert "@media (prefers-color-scheme: dark)" in drawn
        assert not re.search(r"(fill|stroke): #", drawn), "a colour that is the same on both"


def test_the_readme_shows_two_of_the_plots() -> None:
    shown = re.findall(r"\]\((bench/plots/[\w-]+\.svg)\)", (ROOT / "README.md").read_text())
    assert len(shown) == 2
    assert all((ROOT / name).exists() for name in shown)
