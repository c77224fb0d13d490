"""Many runners at once, directly and through a pooler of connections."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from bench.faults.ground import one
from bench.faults.history import GUESTS, HISTORY
from bench.faults.trial import Outcome, Scenario
from tests.whole.pooler import pooler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.faults.ground import Case, Ground, Picture
    from bench.faults.processes import Ended
    from bench.tools import Migration, Tool

EXITED = "exited 0"
RIGHT = "all is right"
TWICE = "rows are there twice"
AGAIN = "one more `up` exits 0, and all is right"
ALONE = "one alone exits 0, and all is right"
LEFT = "an advisory lock is left"

_LOCKS = """
    SELECT count(*) FROM pg_locks
     WHERE locktype = 'advisory'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_SETTLED = 1.0
"""Seconds after which a lock counts as left behind."""


def _at_once(case: Case, size: int) -> list[Ended]:
    with ExitStack() as opened:
        started = [opened.enter_context(case.start("up")) for _ in range(size)]
        return [each.end() for each in started]


def _crowd(
    size: int,
    applied: Sequence[Migration],
    pending: Sequence[Migration],
    ground: Ground,
    tool: Tool,
    _: int,
) -> Outcome:
    migrations = [*applied, *pending]
    with ground.case(tool) as case:
        if applied:
            case.prepare(applied)
        case.write(migrations)
        return _of_crowd(case, _at_once(case, size), ground.wanted(migrations))


def _of_crowd(case: Case, ends: Sequence[Ended], wanted: Picture) -> Outcome:
    found = case.picture
    again = case.run("up")
    return Outcome(
        {
            EXITED: (sum(end.ok for end in ends), len(ends)),
            RIGHT: (int(found == wanted), 1),
            TWICE: (int(found.has_more_rows(wanted)), 1),
            AGAIN: (int(again.ok and case.picture == wanted), 1),
        }
    ).but_said(*(end.complaint for end in ends if not end.ok))


def _pooled(ground: Ground, tool: Tool, _: int) -> Outcome:
    wanted = ground.wanted(HISTORY)
    with ExitStack() as opened:
        running = opened.enter_context(pooler(ground.conninfo, pool_size=8))
        direct = [opened.enter_context(ground.case(tool)) for _ in range(2)]
        alone, shared = [replace(case, database=running.to(case.direct)) for case in direct]
        alone.write(HISTORY)
        shared.write(HISTORY)
        ended = alone.run("up")
        counts = {ALONE: (int(ended.ok and alone.picture == wanted), 1)}
        ends = _at_once(shared, 2)
        counts[LEFT] = (int(_leaves_locks(alone) or _leaves_locks(shared)), 1)
        said = () if ended.ok else (f"alone: {ended.complaint}",)
        return Outcome(counts).but_said(*said) + _of_crowd(shared, ends, wanted)


def _leaves_locks(case: Case) -> bool:
    deadline = time.monotonic() + _SETTLED
    with psycopg.connect(case.direct, autocommit=True) as connection:
        while one(connection.execute(_LOCKS).fetchone()):
            if time.monotonic() > deadline:
                return True
            time.sleep(0.05)
    return False


def crowds(*, quick: bool) -> list[Scenario]:
    """All three."""
    size, times = (4, 1) if quick else (16, 3)
    return [
        Scenario(
            "at once",
            f"{size} at once on an empty database",
            f"{size} processes run `up` of the same {len(HISTORY)} files.",
            [EXITED, RIGHT, TWICE, AGAIN],
            times,
            partial(_crowd, size, [], HISTORY),
            at_once=1,
        ),
        Scenario(
            "at once with rows",
            f"{size} at once, with a file that inserts rows",
            f"The first file is applied already; {size} processes run `up` of the second, which"
            " inserts rows.",
            [EXITED, RIGHT, TWICE, AGAIN],
            times,
            partial(_crowd, size, HISTORY[:1], [GUESTS]),
            at_once=1,
        ),
        Scenario(
            "pooled",
            "Through PgBouncer",
            "PgBouncer in transaction mode, with 8 connections: one `up` alone, and on"
            " another database two at once. A lock is left if it is there"
            f" {_SETTLED:.0f} s later.",
            [ALONE, EXITED, RIGHT, TWICE, LEFT, AGAIN],
            times,
            _pooled,
        ),
    ]
