"""Killed at random moments, and started again at once."""

from __future__ import annotations

import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.faulting.history import HISTORY
from bench.faulting.trial import Outcome, Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.faulting.ground import Case, Ground
    from bench.faulting.processes import Ended
    from bench.tools import Tool

SEED = 8
CONNECTED = "connected when killed"
AT_ONCE = "right after the first retry"
LATER = "right only after waiting"
WRONG = "wrong for good"

_GONE = 3.0
"""Seconds in which what a killed one left running should have ended."""


class Kills:
    """The trials of one run, in which moments are spread over what an undisturbed run takes."""

    def __init__(self, ground: Ground, tools: Sequence[Tool], *, times: int, rounds: int) -> None:
        """`rounds` is how often it is found out how long an undisturbed run takes."""
        self._times = times
        self._wanted = ground.wanted(HISTORY)
        turns = [tool for _ in range(rounds) for tool in tools]
        with ThreadPoolExecutor(2) as pool:  # as many as are tried at once
            seconds = list(pool.map(lambda tool: _seconds(ground, tool), turns))
        self._seconds = {
            tool.name: statistics.median(seconds[place :: len(tools)])
            for place, tool in enumerate(tools)
        }

    def trial(self, ground: Ground, tool: Tool, number: int) -> Outcome:
        """Kill it in one of as many equal parts of its time as there are trials."""
        dice = random.Random(f"{SEED} {tool.name} {number}")  # noqa: S311
        moment = (number + dice.random()) / self._times * self._seconds[tool.name]
        with ground.case(tool) as case:
            case.write(HISTORY)
            with case.start("up") as victim:
                time.sleep(moment)
                connected = case.others > 0
                victim.kill()
            counts = dict.fromkeys((CONNECTED, AT_ONCE, LATER, WRONG), (0, 1))
            counts[CONNECTED] = (int(connected), 1)
            first = case.run("up")
            if self._is_right(case, first):
                counts[AT_ONCE] = (1, 1)
                return Outcome(counts)
            second = case.run("up")
            if self._is_right(case, second):
                counts[LATER] = (1, 1)
                return Outcome(counts).but_said(f"the first retry: {first.complaint}")
            counts[WRONG] = (1, 1)
            return Outcome(counts).but_said(self._reason(case, second))

    def _is_right(self, case: Case, ended: Ended) -> bool:
        # What was killed may work on in the server, and commit.
        return case.others_are_gone(_GONE) and ended.ok and case.picture == self._wanted

    def _reason(self, case: Case, ended: Ended) -> str:
        if not ended.ok:
            return f"every `up` fails: {ended.complaint}"
        rows, wanted = case.picture.rows, self._wanted.rows
        twice = any(count > wanted.get(table, 0) for table, count in rows.items())
        return "`up` exits 0, but rows are there twice" if twice else "`up` exits 0, half applied"


def _seconds(ground: Ground, tool: Tool) -> float:
    with ground.case(tool) as case:
        case.write(HISTORY)
        began = time.perf_counter()
        ended = case.run("up")
        seconds = time.perf_counter() - began
        if not ended.ok:
            raise RuntimeError(f"{tool.title}: {ended.code}\n{ended.output}")
        return seconds


def kills(ground: Ground, tools: Sequence[Tool], *, quick: bool) -> Scenario:
    """Fifty of them."""
    times = 8 if quick else 50
    return Scenario(
        "killed",
        f"Killed {times} times, and started again at once",
        f"`up` of {len(HISTORY)} files, each of which takes some tens of milliseconds and is not"
        " one statement only, is ended with SIGKILL, its whole process group, at a random moment"
        f" in each of {times} equal parts of the time that it takes undisturbed (seed {SEED}); `up`"
        " again at once; and where that does not come out right, once more when nothing works in"
        f" the database any more, or after {_GONE:.0f} s.",
        [CONNECTED, AT_ONCE, LATER, WRONG],
        times,
        Kills(ground, tools, times=times, rounds=1 if quick else 5).trial,
    )
