"""Rounds of reading the whole list of authors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from statistics import median
from typing import TYPE_CHECKING

import httpx
from psycopg.conninfo import make_conninfo

from bench import processes
from bench.answers import PATIENCE, answer, comparable
from bench.contenders import CONTENDERS, OTHERS, OURS, Running, running
from bench.growth.reading import NoAnswer, Read, read
from bench.library import ROUND_TRIP, far_away
from bench.progress import say
from tests import plain_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.library import Library

LIMIT = "psql"
AT_ONCE = 8

_ROWS_A_ROUND = 50_000  # that are read by several requests, if one has fewer
_OFTEN = 3  # requests at least, of who is through so soon that a pause of the machine shows


@dataclass
class Found:
    """How one did at one size."""

    reads: list[Read] = field(default_factory=list)
    """A median for each round."""
    before: float = 0
    """MB of the new process, after a request for something small."""
    peak: float = 0
    """MB at the most, in the end."""
    failure: str = ""
    """Why there is no more of it."""


@dataclass(frozen=True)
class Extremes:
    """What was tried of ours alone, at the largest size."""

    rows: int
    grown_together: float
    """MB that it grew by for several readers at once."""
    first_trips: float
    """Round trips to a database that is far away, until the first byte."""


def at(size: int, database: Library, rounds: int) -> dict[str, Found]:
    """Ask each for the whole list, in turns."""
    conninfo = database.conninfo(str(size))
    found = {name: Found() for name in (OURS, *OTHERS, LIMIT)}
    with ExitStack() as started:
        servers = [
            started.enter_context(running(CONTENDERS[name], conninfo)) for name in (OURS, *OTHERS)
        ]
        for one in servers:
            httpx.get(f"{one.url}/books/1").raise_for_status()
            found[one.contender.name].before = processes.resident(one.pid)
        say(f"growth: {size:,} rows, comparing the answers")
        _warm_up(servers, found)
        for number in range(rounds):
            say(f"growth: {size:,} rows, round {number + 1} of {rounds}")
            for one in servers:
                _round(one, found[one.contender.name], size)
            found[LIMIT].reads.append(_copied(database, str(size)))
        for one in servers:
            if not found[one.contender.name].failure:
                found[one.contender.name].peak = processes.peak(one.pid)
    return found


def _warm_up(servers: Sequence[Running], found: dict[str, Found]) -> None:
    """Let each answer once, and end the run unless all who can do it with the same bytes."""
    hashes = {}
    for one in servers:
        try:
            body = comparable(one, answer(one, "/authors"))
        except httpx.HTTPError as exc:
            _fails(one, found[one.contender.name], f"no answer: {exc}")
        else:
            hashes[one.contender.title] = sha256(body).hexdigest()
    if len(set(hashes.values())) > 1:
        sys.exit(f"the answers differ: {hashes}")


def _round(one: Running, found: Found, rows: int) -> None:
    if found.failure:
        return
    try:
        least = _OFTEN if one.contender.name == OURS else 1
        reads = [_read(one) for _ in range(max(least, _ROWS_A_ROUND // rows))]
    except NoAnswer as exc:
        _fails(one, found, str(exc))
        return
    found.reads.append(
        Read(median(read.first for read in reads), median(read.total for read in reads))
    )


def _fails(one: Running, found: Found, why: str) -> None:
    if one.contender.name == OURS:
        sys.exit(f"{one.contender.title} fails: {why}")
    os.kill(one.pid, signal.SIGKILL)  # it is not to go on while others are measured
    found.failure = why
    found.reads.clear()


def _read(one: Running) -> Read:
    return read(f"{one.url}/authors", PATIENCE)


def _copied(database: Library, name: str) -> Read:
    """The same rows as the same text, by psql."""
    copy = f"COPY ({plain_queries.ITEMS_OF_AUTHORS.decode()}) TO STDOUT"
    command = [str(database.bindir / "psql"), "-Xqc", copy, database.conninfo(name)]
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    took = time.monotonic() - began
    return Read(took, took)


def extremes(size: int, database: Library) -> Extremes:
    """Ask ours by many at once, and from far away."""
    say(f"growth: {size:,} rows, {AT_ONCE} readers at once")
    conninfo = database.conninfo(str(size))
    with running(CONTENDERS[OURS], conninfo) as ours:
        httpx.get(f"{ours.url}/books/1").raise_for_status()
        before = processes.resident(ours.pid)
        with ThreadPoolExecutor(AT_ONCE) as readers:
            list(readers.map(_read, [ours] * AT_ONCE))
        grown = processes.peak(ours.pid) - before
    say(f"growth: {size:,} rows, from far away")
    with (
        far_away(database.socket_folder, ROUND_TRIP) as (folder, _),
        running(CONTENDERS[OURS], make_conninfo(conninfo, host=folder)) as ours,
    ):
        first = median(_read(ours).first for _ in range(3))
    return Extremes(size, grown, first / ROUND_TRIP)
