"""Killed at random moments, and started again at once."""

from __future__ import annotations

import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.faults.history import GUESTS, HISTORY, PAUSE
from bench.faults.trial import TOGETHER, Outcome, Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.faults.ground import Case, Ground, Picture
    from bench.faults.processes import Ended
    from bench.tools import Tool

SEED = 8
CONNECTED = "connected when killed"
AT_ONCE = "right after the first retry"
LATER = "right only after waiting"
WRONG = "wrong for good"

_LONG = 3.0
"""Seconds that a statement takes, if it takes long."""
_GONE = _LONG + 2
"""Seconds in which what a killed one left running should have ended."""
_IDLE = 6
"""So many trials go beside each other, if nearly all of their time they wait."""
_SLEEPS = """
    SELECT FROM pg_stat_activity
     WHERE wait_event = 'PgSleep' AND datname = current_database()
"""
_GUESTS = replace(GUESTS, up=GUESTS.up.replace(PAUSE, f"SELECT pg_sleep({_LONG});\n"))


class _Moments:
    """The trials of one run, in which moments are spread over what an undisturbed run takes."""

    def __init__(self, ground: Ground, tools: Sequence[Tool], *, times: int, rounds: int) -> None:
        """`rounds` is how often it is found out how long an undisturbed run takes."""
        self._times = times
        turns = [tool for _ in range(rounds) for tool in tools]
        with ThreadPoolExecutor(TOGETHER) as pool:
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
            return Outcome({CONNECTED: (int(connected), 1)}) + _again(case, ground.wanted(HISTORY))


def _seconds(ground: Ground, tool: Tool) -> float:
    with ground.case(tool) as case:
        case.write(HISTORY)
        began = time.perf_counter()
        ended = case.run("up")
        seconds = time.perf_counter() - began
        if not ended.ok:
            raise RuntimeError(f"{tool.title}: {ended.code}\n{ended.output}")
        return seconds


def _long_statement(ground: Ground, tool: Tool, _: int) -> Outcome:
    migrations = [HISTORY[0], _GUESTS]
    with ground.case(tool) as case:
        case.prepare(migrations[:1])
        case.write(migrations)
        with case.start("up") as victim:
            case.wait_for(_SLEEPS, victim)
            victim.kill()
        return _again(case, ground.wanted([*HISTORY[:1], GUESTS]))


def _again(case: Case, wanted: Picture) -> Outcome:
    """Run it again at once, and if that does not come out right, once more a while later."""

    def is_right(ended: Ended) -> bool:
        # What was killed may work on in the server, and commit.
        return case.others_are_gone(_GONE) and ended.ok and case.picture == wanted

    counts = dict.fromkeys((AT_ONCE, LATER, WRONG), (0, 1))
    first = case.run("up")
    if is_right(first):
        return Outcome({**counts, AT_ONCE: (1, 1)})
    second = case.run("up")
    if is_right(second):
        return Outcome({**counts, LATER: (1, 1)}).but_said(f"at first: {first.complaint}")
    return Outcome({**counts, WRONG: (1, 1)}).but_said(_reason(case.picture, wanted, second))


def _reason(found: Picture, wanted: Picture, ended: Ended) -> str:
    if not ended.ok:
        return f"every `up` fails: {ended.complaint}"
    twice = found.has_more_rows(wanted)
    return "`up` exits 0, but rows are there twice" if twice else "`up` exits 0, half applied"


def kills(ground: Ground, tools: Sequence[Tool], *, quick: bool) -> list[Scenario]:
    """Both."""
    times = 5 if quick else 50
    return [
        Scenario(
            "killed",
            f"Killed {times} times, and started again at once",
            f"`up` of {len(HISTORY)} files, each of which has several statements and takes some"
            " tens of milliseconds, is ended with SIGKILL, its whole process group, at a random"
            f" moment in each of {times} equal parts of the time that it takes undisturbed (seed"
            f" {SEED}); then `up` is run again at once. Where that does not come out right, it is"
            " run once more when nobody is connected to the database any more.",
            [CONNECTED, AT_ONCE, LATER, WRONG],
            times,
            _Moments(ground, tools, times=times, rounds=1 if quick else 5).trial,
        ),
        Scenario(
            "killed in a long statement",
            "Killed in a long statement, and started again at once",
            f"`up` is killed in the same way while a statement runs that takes {_LONG:.0f} s; an"
            " earlier one of the same file has inserted rows. Then `up` again, as above.",
            [AT_ONCE, LATER, WRONG],
            1 if quick else 3,
            _long_statement,
            at_once=_IDLE,
        ),
    ]
