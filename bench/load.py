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
from catalog.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Watched:
    """The processes that take part, by id."""

    server: int | None
    postgres: int
    between: int | None

    def used(self) -> tuple[float, ...]:
        """CPU seconds so far: the server's, Postgres', those between, the load's, everybody's."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            processes.cpu_seconds(self.server) if self.server else 0,
            processes.cpu_seconds_of_family(self.postgres),
            processes.cpu_seconds(self.between) if self.between else 0,
            children.ru_utime + children.ru_stime,
            processes.cpu_seconds_of_machine(),
        )


@dataclass(frozen=True)
class Sample:
    """What was asked for some seconds, and answered."""

    requests: int
    rate: float
    """Requests a second."""
    p50: float | None
    """Milliseconds, as is p99; not known of pgbench, which has no server either."""
    p99: float | None
    cpu: float | None
    """Seconds of the server for 1,000 requests."""
    postgres: float
    """The same of Postgres."""
    resident: float | None
    """The server's memory, in MB."""
    between: float
    """Seconds a second of what passes bytes on to Postgres."""
    others: float
    """The part of the machine that others had meanwhile, who have nothing to do with it."""


def load(url: str, ids: int, connections: int, watched: Watched, seconds: int) -> Sample:
    """Ask for so many seconds, with random ids behind the path if there are any.

    Every answer has to be good, or the run ends here.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "20s"]
    command += ["-s", str(ROOT / "bench/load.lua"), url]
    command += ["--", str(ids)] if ids else []
    said, spent = _run(command, watched)
    summary = json.loads(said.rpartition("SUMMARY ")[2])
    requests = summary["requests"]
    if summary["failed"] or "Non-2xx" in said or not requests:
        sys.exit(f"{url} fails:\n{said}")
    return Sample(
        requests=requests,
        rate=requests / summary["seconds"],
        p50=summary["p50"],
        p99=summary["p99"],
        cpu=spent.server / requests * 1000,
        postgres=spent.postgres / requests * 1000,
        resident=processes.resident(watched.server) if watched.server else None,
        between=spent.between,
        others=spent.others,
    )


def query(
    pgbench: Path, script: Path, conninfo: str, clients: int, watched: Watched, seconds: int
) -> Sample:
    """Let Postgres run a prepared statement for so many seconds."""
    command = [str(pgbench), "-n", "-Mprepared", f"-c{clients}", "-j1", f"-T{seconds}"]
    said, spent = _run([*command, "-f", str(script), conninfo], watched)
    done, rate = re.search(r"processed: (\d+)", said), re.search(r"tps = ([\d.]+)", said)
    if not (done and rate and "failed transactions: 0 " in said):
        sys.exit(f"pgbench fails:\n{said}")
    return Sample(
        requests=int(done[1]),
        rate=float(rate[1]),
        p50=None,
        p99=None,
        cpu=None,
        postgres=spent.postgres / int(done[1]) * 1000,
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


def _run(command: list[str], watched: Watched) -> tuple[str, _Spent]:
    before, began = watched.used(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{command[0]} fails:\n{done.stdout}{done.stderr}")
    server, postgres, between, ours, everybody = (
        now - then for now, then in zip(watched.used(), before, strict=True)
    )
    others = (everybody - server - postgres - between - ours) / took / (os.cpu_count() or 1)
    return done.stdout, _Spent(server, postgres, between / took, others)
