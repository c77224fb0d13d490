"""Load by wrk, or on Postgres alone by pgbench, and what it costs whom."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import processes
from bench.answers import answer
from catalog.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contenders import Running

_PAUSE = 0.05  # seconds in which a server that works uses a tick
_MEASURABLE = 0.03  # seconds of a processor: Linux counts hundredths
_FEW = 300  # requests, of which one in a hundred is no more than the slowest ones


@dataclass(frozen=True)
class Meanwhile:
    """What else takes part, for how long."""

    postgres: int
    """The id of its first process."""
    between: int | None
    """The id of what passes bytes on to it."""
    seconds: int


@dataclass(frozen=True)
class Sample:
    """What was asked for some seconds, and answered."""

    requests: int
    rate: float
    """Requests a second."""
    p50: float | None
    """Milliseconds, as is p99. Not known if some had to wait longer than it was asked for, nor of
    pgbench, which has no server either."""
    p99: float | None
    """Nor known of a few requests."""
    cpu: float | None
    """Seconds of the server for 1,000 requests, if they can be told from none."""
    postgres: float | None
    """The same of Postgres."""
    resident: float | None
    """The server's memory, in MB."""
    between: float
    """Seconds a second of what passes bytes on to Postgres."""
    others: float
    """The part of the machine that others had meanwhile, who have nothing to do with it."""


def load(one: Running, path: str, ids: int, connections: int, meanwhile: Meanwhile) -> Sample:
    """Ask for some seconds, with random ids behind the path if there are any.

    Every answer has to be good, or the run ends here. What is under way in the end, one request for
    each connection, is waited for: it is not to meet who comes next. One more is asked for, whose
    answer comes after theirs.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{meanwhile.seconds}", "--timeout", "20s"]
    command += ["-s", str(ROOT / "bench/api/load.lua"), one.url + path]
    command += ["--", str(ids)] if ids else []
    said, spent = _run(command, one.pid, meanwhile)
    summary = json.loads(said.rpartition("SUMMARY ")[2])
    requests = summary["requests"]
    if summary["failed"] or "Non-2xx" in said or not requests:
        sys.exit(f"{one.contender.title} fails:\n{said}")
    all_answered = requests >= connections
    resident = processes.resident(one.pid)
    answer(one, f"{path}1" if ids else path)
    _settle(one.pid)
    return Sample(
        requests=requests,
        rate=requests / summary["seconds"],
        p50=summary["p50"] if all_answered else None,
        p99=summary["p99"] if all_answered and requests >= _FEW else None,
        cpu=_per_thousand(spent.server, requests),
        postgres=_per_thousand(spent.postgres, requests),
        resident=resident,
        between=spent.between,
        others=spent.others,
    )


def query(pgbench: Path, script: Path, conninfo: str, clients: int, meanwhile: Meanwhile) -> Sample:
    """Let Postgres run a prepared statement for some seconds."""
    # A thread prepares the statements of its clients one after the other, and waits for each.
    threads = clients if meanwhile.between else 1
    command = [str(pgbench), "-n", "-Mprepared", f"-c{clients}", f"-j{threads}"]
    command += [f"-T{meanwhile.seconds}", "-f", str(script), conninfo]
    said, spent = _run(command, None, meanwhile)
    done, rate = re.search(r"processed: (\d+)", said), re.search(r"tps = ([\d.]+)", said)
    if not (done and rate and "failed transactions: 0 " in said):
        sys.exit(f"pgbench fails:\n{said}")
    return Sample(
        requests=int(done[1]),
        rate=float(rate[1]),
        p50=None,
        p99=None,
        cpu=None,
        postgres=_per_thousand(spent.postgres, int(done[1])),
        resident=None,
        between=spent.between,
        others=spent.others,
    )


@dataclass(frozen=True)
class _Spent:
    server: float  # CPU seconds
    postgres: float
    between: float  # seconds a second
    others: float  # of the machine


def _run(command: list[str], server: int | None, meanwhile: Meanwhile) -> tuple[str, _Spent]:
    before, began = _used(server, meanwhile), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{command[0]} fails:\n{done.stdout}{done.stderr}")
    served, postgres, between, ours, everybody = (
        now - then for now, then in zip(_used(server, meanwhile), before, strict=True)
    )
    others = (everybody - served - postgres - between - ours) / took / (os.cpu_count() or 1)
    # It is the rest of figures of which some are rounded.
    return done.stdout, _Spent(served, postgres, between / took, max(0.0, others))


def _per_thousand(seconds: float, requests: int) -> float | None:
    return seconds / requests * 1000 if seconds >= _MEASURABLE else None


def _used(server: int | None, meanwhile: Meanwhile) -> tuple[float, ...]:
    """CPU seconds so far: the server's, Postgres', those between, the load's, everybody's."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        processes.cpu_seconds(server) if server else 0,
        processes.cpu_seconds_of_family(meanwhile.postgres),
        processes.cpu_seconds(meanwhile.between) if meanwhile.between else 0,
        children.ru_utime + children.ru_stime,
        processes.cpu_seconds_of_machine(),
    )


def _settle(server: int) -> None:
    used, before = processes.cpu_seconds(server), -1.0
    while used > before:
        time.sleep(_PAUSE)
        used, before = processes.cpu_seconds(server), used
