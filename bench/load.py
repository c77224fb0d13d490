"""Load by wrk, and what it costs whom."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

from bench import processes
from catalog.settings import ROOT


@dataclass(frozen=True)
class Sample:
    """What one server did for some seconds."""

    requests: int
    rate: float
    """Requests a second."""
    p50: float
    """Milliseconds, as is p99."""
    p99: float
    cpu: float
    """Seconds of the server for 1,000 requests."""
    postgres: float
    """The same of Postgres."""
    resident: float
    """The server's memory, in MB."""
    between: float
    """Seconds a second of what passes bytes on to Postgres."""
    others: float
    """The part of the machine that others had meanwhile, who have nothing to do with it."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    path: str
    ids: int
    """How many there are to choose from at random, behind the path; 0 for the path alone."""
    connections: int


@dataclass(frozen=True)
class Watched:
    """The processes that take part, by id."""

    server: int
    postgres: int
    between: int | None

    def used(self) -> tuple[float, ...]:
        """CPU seconds so far: the server's, Postgres', those between, the load's, everybody's."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            processes.cpu_seconds(self.server),
            processes.cpu_seconds_of_family(self.postgres),
            processes.cpu_seconds(self.between) if self.between else 0,
            children.ru_utime + children.ru_stime,
            processes.cpu_seconds_of_machine(),
        )


def load(url: str, wanted: Wanted, watched: Watched, seconds: int) -> Sample:
    """Ask for so many seconds. Every answer has to be good, or it ends here."""
    before, began = watched.used(), time.monotonic()
    command = ["wrk", "-t1", f"-c{wanted.connections}", f"-d{seconds}", "--timeout", "20s"]
    command += ["-s", str(ROOT / "bench/load.lua"), url + wanted.path]
    command += ["--", str(wanted.ids)] if wanted.ids else []
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    took = time.monotonic() - began
    server, postgres, between, wrk, everybody = (
        now - then for now, then in zip(watched.used(), before, strict=True)
    )
    summary = json.loads(said.rpartition("SUMMARY ")[2])
    requests = summary["requests"]
    if summary["failed"] or "Non-2xx" in said or not requests:
        sys.exit(f"{url} fails:\n{said}")
    return Sample(
        requests=requests,
        rate=requests / summary["seconds"],
        p50=summary["p50"],
        p99=summary["p99"],
        cpu=server / requests * 1000,
        postgres=postgres / requests * 1000,
        resident=processes.resident(watched.server),
        between=between / took,
        others=(everybody - server - postgres - between - wrk) / took / (os.cpu_count() or 1),
    )
