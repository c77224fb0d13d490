"""Faults: what happens to a database with each tool, when something goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from bench.faults import crowds, kills, mistakes, waits
from bench.faults.ground import Ground, ground
from bench.progress import say
from bench.results import Section, Target
from bench.tools import TOOLS, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.faults.trial import Outcome, Scenario
    from bench.tools import Tool

_OURS = "this project"
_HOW = (
    "What happened with each tool, each time in a new database. It is told from the"
    " tables, rows and indexes that were there afterwards, from the tool's own record, and from"
    " exit codes and output."
)


def measure(*, quick: bool) -> Section:
    """Try everything on every tool."""
    left_out = {"psql", *(VARIANTS if quick else ())}
    tools = [tool for name, tool in TOOLS.items() if name not in left_out]
    for tool in tools:
        tool.set_up()
    with ground() as place:
        found, tables = {}, []
        for scenario in _scenarios(place, tools, quick=quick):
            found[scenario.name] = _tried(scenario, place, tools)
            tables.append(scenario.table(found[scenario.name]))
        return Section(
            "faults",
            "Faults",
            [_HOW],
            tables,
            targets=_targets({name: outcomes[_OURS] for name, outcomes in found.items()}),
            ratios=_ratios(found["lock queue"]),
        )


def _scenarios(place: Ground, tools: Sequence[Tool], *, quick: bool) -> Iterator[Scenario]:
    yield from mistakes.mistakes(quick=quick)
    # Each has run by now: how long one takes is measured warm.
    yield from kills.kills(place, tools, quick=quick)
    yield from crowds.crowds(quick=quick)
    yield from waits.waits(quick=quick)


def _tried(scenario: Scenario, place: Ground, tools: Sequence[Tool]) -> dict[str, Outcome]:
    """What came of it, by the title of the tool; they take turns."""
    turns = [(tool, number) for number in range(scenario.times) for tool in tools]
    pool = ThreadPoolExecutor(scenario.at_once)
    try:
        futures = [pool.submit(scenario.trial, place, tool, number) for tool, number in turns]
        outcomes = []
        for (tool, number), future in zip(turns, futures, strict=True):
            if tool is tools[0]:
                say(f"faults: {scenario.name}, {number + 1} of {scenario.times}")
            outcomes.append(future.result())
    finally:
        pool.shutdown(cancel_futures=True)
    return {
        tool.title: reduce(add, outcomes[first :: len(tools)]) for first, tool in enumerate(tools)
    }


def _targets(ours: dict[str, Outcome]) -> list[Target]:
    counted = {
        "killed and started again at once: right after the first retry": ("killed", kills.AT_ONCE),
        "killed in a long statement and started again at once: right after the first retry": (
            "killed in a long statement",
            kills.AT_ONCE,
        ),
        "many at once on an empty database: exit 0": ("at once", crowds.EXITED),
        "many at once, a file that inserts rows: exit 0": ("at once with rows", crowds.EXITED),
        "an edited file is noticed by `up`": ("edited", mistakes.BY_UP),
        "a missing file is reverted by what was kept": ("missing", mistakes.REVERTED),
        "two at once through PgBouncer: exit 0": ("pooled", crowds.EXITED),
        "CREATE INDEX CONCURRENTLY beside a second runner: valid": ("concurrently", waits.VALID),
    }
    targets = []
    for what, (name, heading) in counted.items():
        often, of = ours[name].counts[heading]
        targets.append(Target(f"{what}, of {of}", of, None, often))
    longest = ours["lock queue"].longest[waits.LONGEST]
    what = "longest wait of a SELECT while a migration waits for its table, in seconds"
    return [*targets, Target(what, None, 2.5, longest)]


def _ratios(queue: dict[str, Outcome]) -> dict[str, float]:
    """Only one scenario has times that mean something."""
    seconds = {title: outcome.longest[waits.LONGEST] for title, outcome in queue.items()}
    return {
        f"{waits.LONGEST}, {title}": theirs / seconds[_OURS]
        for title, theirs in seconds.items()
        if title != _OURS
    }
