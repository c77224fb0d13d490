"""Locks of others: a reader who takes long, and an index that is built beside a second runner."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Self

import psycopg

from bench.faults.history import table
from bench.faults.trial import Outcome, Scenario
from bench.tools import Migration

if TYPE_CHECKING:
    from bench.faults.ground import Ground
    from bench.tools import Tool

LONGEST = "longest wait of a SELECT"
IN_ALL = "all waits of it together"
APPLIED = "applied in the end"
FIRST = "the first exits 0"
SECOND = "the second exits 0"
VALID = "the index is valid"
INVALID = "an INVALID index is left"
AGAIN = "one more `up` exits 0, and it is valid"

_ROWS = "INSERT INTO app.people (name) SELECT 'Ada' FROM generate_series(1, 1000);\n"
_PEOPLE = table(1, "people", _ROWS)
_ALTER = Migration(
    "0002_add_born",
    "ALTER TABLE app.people ADD COLUMN born date;\n",
    "ALTER TABLE app.people DROP COLUMN born;\n",
)
_INDEX = Migration(
    "0002_index_people",
    "CREATE INDEX CONCURRENTLY people_by_name ON app.people (name);\n",
    "DROP INDEX CONCURRENTLY app.people_by_name;\n",
    transactional=False,
)
_WAITS = """
    SELECT FROM pg_locks
     WHERE NOT granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_BUILDS = "SELECT FROM pg_stat_progress_create_index WHERE datname = current_database()"
_LONG = 3.0
"""Seconds that the build is held up when the second runner is there, as if the table were large.

Under one second (`deadlock_timeout`), it would be another one of the two who is found to be in a
deadlock."""
_IDLE = 6
"""So many trials go beside each other: nearly all of their time they wait."""
_STUCK = 20.0
"""Seconds after which a runner counts as stuck."""


class _Reader:
    """Reads a table every 50 ms, and knows how long each took."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.waits: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _read(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            while not self._enough.wait(0.05):
                began = time.perf_counter()
                connection.execute("SELECT count(*) FROM app.people")
                self.waits.append(time.perf_counter() - began)


def _lock_queue(seconds: float, ground: Ground, tool: Tool, _: int) -> Outcome:
    with ground.case(tool) as case:
        case.prepare([_PEOPLE])
        case.write([_PEOPLE, _ALTER])
        with psycopg.connect(case.direct) as holder, _Reader(case.direct) as reader:
            holder.execute("SELECT FROM app.people")
            with case.start("up") as started:
                case.wait_for(_WAITS, started)
                time.sleep(seconds)
                holder.rollback()
                ended = started.end()
        is_right = ended.ok and case.picture == ground.wanted([_PEOPLE, _ALTER])
    return Outcome(
        {APPLIED: (int(is_right), 1)},
        {LONGEST: max(reader.waits), IN_ALL: sum(wait for wait in reader.waits if wait > 0.05)},
    ).but_said(*([] if ended.ok else [ended.complaint]))


def _concurrently(ground: Ground, tool: Tool, _: int) -> Outcome:
    with ground.case(tool) as case:
        case.prepare([_PEOPLE])
        case.write([_PEOPLE, _INDEX])
        with psycopg.connect(case.direct) as writer, case.start("up") as first:
            writer.execute("INSERT INTO app.people (name) VALUES ('Grace')")
            case.wait_for(_BUILDS, first)
            others = case.others
            with case.start("up") as second:
                case.wait_for_another(others, second)
                time.sleep(_LONG)
                writer.commit()
                ends = [first.end(_STUCK), second.end(_STUCK)]
        case.others_are_gone(_STUCK)
        valid = case.picture.indexes.get("app.people_by_name")
        again = case.run("up", _STUCK)
        case.others_are_gone(_STUCK)
        later = case.picture.indexes.get("app.people_by_name")
    return Outcome(
        {
            FIRST: (int(ends[0].ok), 1),
            SECOND: (int(ends[1].ok), 1),
            VALID: (int(valid is True), 1),
            INVALID: (int(valid is False), 1),
            AGAIN: (int(again.ok and later is True), 1),
        }
    ).but_said(*(end.complaint for end in (*ends, again) if not end.ok))


def waits(*, quick: bool) -> list[Scenario]:
    """Both."""
    seconds = 3.0 if quick else 6.0
    return [
        Scenario(
            "lock queue",
            "A table is altered that somebody reads for long",
            f"A transaction that has read a table stays open for {seconds:.0f} s after `up` began"
            " to wait for it with ALTER TABLE; meanwhile somebody else SELECTs from the table every"
            " 50 ms. Who does not give way holds it up for as long as the other one reads; a"
            " migration may set a lock_timeout itself.",
            [LONGEST, IN_ALL, APPLIED],
            1 if quick else 3,
            partial(_lock_queue, seconds),
            at_once=_IDLE,
        ),
        Scenario(
            "concurrently",
            "CREATE INDEX CONCURRENTLY, and a second runner",
            "The build waits for a transaction that wrote; a second `up` is started, and"
            f" {_LONG:.0f} s after it connected the transaction ends. A runner that is still"
            f" there {_STUCK:.0f} s later is killed.",
            [FIRST, SECOND, VALID, INVALID, AGAIN],
            1 if quick else 3,
            _concurrently,
            at_once=_IDLE,
        ),
    ]
