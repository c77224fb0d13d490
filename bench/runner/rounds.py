"""Rounds in which the tools take turns at the same migrations."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.figures import paired
from bench.library import far_away
from bench.progress import say
from bench.runner.trial import STEPS
from bench.tools import TOOLS

if TYPE_CHECKING:
    from bench.runner.child import Cost
    from bench.runner.trial import Trials

OURS = "catalog"


@dataclass(frozen=True)
class Scenario:
    """How many migrations, on which way, by whom."""

    title: str
    count: int
    rounds: int
    tools: tuple[str, ...]
    round_trip: float = 0
    """Seconds to the database and back."""
    steps: tuple[str, ...] = tuple(STEPS)
    alone: int = 0
    """Further rounds of ours, which is through much sooner, and varies more for it."""
    back: dict[str, int] = field(default_factory=dict)
    """Who takes back fewer than all, and how many."""
    at_once: frozenset[tuple[str, str]] = frozenset()
    """Who is through with which step in hundredths of a second: two runs need not agree on it."""

    def taken_back(self, tool: str) -> int:
        """How many its `down` takes back."""
        return self.back.get(tool, self.count)


@dataclass(frozen=True)
class Outcome:
    """What the rounds took, in order, by tool and step."""

    scenario: Scenario
    costs: dict[str, dict[str, list[Cost]]]

    def seconds(self, tool: str, step: str) -> list[float]:
        """Of each round; none if the tool has nothing for it."""
        return [cost.seconds for cost in self.costs[tool][step]]

    def ratio(self, tool: str, step: str, *, to: str = OURS) -> float | None:
        """The median of the rounds' ratios, or that of the medians if one had rounds alone.

        `None` where one has nothing for it, or has done less.
        """
        theirs, others = self.seconds(tool, step), self.seconds(to, step)
        has_done_less = step == "down" and tool in self.scenario.back
        if not theirs or not others or has_done_less:
            return None
        if len(theirs) != len(others):
            return median(theirs) / median(others)
        return median(paired(theirs, others))


def rounds(scenario: Scenario, place: Trials) -> Outcome:
    """Let them take turns, step by step: A B C, A B C."""
    costs: dict[str, dict[str, list[Cost]]] = {
        tool: {step: [] for step in STEPS} for tool in scenario.tools
    }
    with ExitStack() as entered:
        way = str(conninfo_to_dict(place.conninfo)["host"])
        if scenario.round_trip:
            way, _ = entered.enter_context(far_away(way, scenario.round_trip))
        for number in range(scenario.rounds + scenario.alone):
            tools = scenario.tools if number < scenario.rounds else (OURS,)
            trials = [place.new(TOOLS[tool], scenario.count) for tool in tools]
            # Nobody always comes after the same one.
            first = number % len(trials)
            trials = trials[first:] + trials[:first]
            for step in scenario.steps:
                for trial in trials:
                    tool = trial.tool.name
                    say(f"{scenario.title}, round {number + 1}: {step}, {tool}")
                    cost = trial.take(
                        step,
                        by_way_of=make_conninfo(trial.conninfo, host=way),
                        back=scenario.taken_back(tool),
                    )
                    if cost:
                        costs[tool][step].append(cost)
    return Outcome(scenario, costs)
