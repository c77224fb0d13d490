"""What the runner's rounds came to, as tables and ratios."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.figures import spread
from bench.results import Table
from bench.runner.rounds import OURS
from bench.runner.trial import STEPS
from bench.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.runner.rounds import Outcome
    from bench.runner.trips import Trips

FEW, MANY = 2, 50
"""Migrations whose trips are counted."""

_TITLES = {"up": "`up`", "again": "nothing to do", "status": "`status`", "down": "`down` of all"}
_NONE = "–"


def ratios(outcome: Outcome) -> dict[str, float]:
    """All that the table shows, but of what takes hundredths of a second."""
    return {
        f"{outcome.scenario.title}: {step}, {tool} to ours": ratio
        for tool in outcome.scenario.tools
        for step in STEPS
        if tool != OURS
        and (tool, step) not in outcome.scenario.at_once
        and (ratio := outcome.ratio(tool, step))
    }


def table_of_times(outcome: Outcome) -> Table:
    """Seconds of each step with the extremes, theirs to ours, and what the machine gave for it."""
    steps = tuple(dict.fromkeys(outcome.scenario.steps))
    header = [""]
    for step in steps:
        header += [f"{_TITLES[step]}, s", "to ours"]
    header += ["CPU s of `up`", "CPU s, nothing to do", "MB of `up`"]
    rows = []
    for tool in outcome.scenario.tools:
        row = [TOOLS[tool].title]
        for step in steps:
            ratio = None if tool == OURS else outcome.ratio(tool, step)
            row += [_seconds(outcome, tool, step), f"{ratio:.2f}" if ratio else ""]
        costs = outcome.costs[tool]
        row += [
            _median(cost.cpu for cost in costs["up"]),
            _median(cost.cpu for cost in costs["again"]),
            f"{median(cost.memory for cost in costs['up']):.0f}",
        ]
        rows.append(row)
    times = outcome.scenario.rounds
    title = f"{outcome.scenario.title}, {times} round{'s' * (times > 1)}"
    return Table(title, header, rows)


def table_of_trips(few: dict[str, dict[str, Trips]], many: dict[str, dict[str, Trips]]) -> Table:
    """What the many take on the wire, and what each of them adds to the few."""
    header = ["", *_TITLES.values(), "each further one in `up`", "connections of `up`, `down`"]
    rows = []
    for tool, steps in many.items():
        row = [TOOLS[tool].title]
        row += [str(steps[step].trips) if step in steps else _NONE for step in STEPS]
        more = (steps["up"].trips - few[tool]["up"].trips) / (MANY - FEW)
        row += [f"{more:.2f}", f"{steps['up'].connections}, {steps['down'].connections}"]
        rows.append(row)
    return Table(f"Round trips of {MANY} migrations", header, rows)


def table_of_tools(tools: Iterable[str]) -> Table:
    """Who takes part, and how."""
    rows = [[TOOLS[tool].title, TOOLS[tool].manner] for tool in tools]
    return Table("How each is set up", ["", ""], rows)


def _seconds(outcome: Outcome, tool: str, step: str) -> str:
    seconds = outcome.seconds(tool, step)
    if not seconds:
        return _NONE
    text = spread(seconds, 2) if len(seconds) > 1 else f"{seconds[0]:.2f}"
    back = outcome.scenario.back.get(tool)
    return f"{text} for {back} of them" if step == "down" and back else text


def _median(values: Iterable[float]) -> str:
    found = list(values)
    return f"{median(found):.2f}" if found else _NONE
