"""The API beside what people would use instead: one process each, the same tables and answers.

    python -m bench.api [--quick] [--rounds N] [--seconds S] [--only NAME]

Contenders take turns, round by round, so that what else the machine does meets all of them; what
is told are the medians of the rounds, and their extremes. Needs Debian's `wrk`, `node` and `npm`,
and the embedded Postgres. Speeds mean nothing on another machine; the ratios do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.contenders import CONTENDERS, Running, cpu_seconds, running
from bench.library import AUTHORS, far_away, library
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.library import Library

OURS = "catalog"


@dataclass(frozen=True)
class Scenario:
    """What is asked, of which database, by how many at once."""

    name: str
    title: str
    database: str
    path: str
    ids: int
    """How many there are to choose from at random, behind the path; 0 for the path alone."""
    connections: int
    round_trip: float
    """Seconds to the database and back."""
    targets: dict[str, float]
    """Whom we are measured against, and how many times as fast we are to be; 0 for no matter."""


SCENARIOS = (
    Scenario(
        "authors",
        "`/authors`, 3 rows, 32 connections",
        *("sample", "/authors", 0, 32, 0),
        {"express": 6, "fastify": 1, "fastapi": 2.5, "constant": 0.5},
    ),
    Scenario(
        "books",
        "random `/books/{id}` of 10,000 authors, 32 connections",
        *("many", "/books/", AUTHORS, 32, 0),
        {"express": 5, "fastify": 1.2, "fastapi": 2.5, "alone": 0},
    ),
    Scenario(
        "far",
        "random `/books/{id}` of 10,000 authors, database 20 ms away, 256 connections",
        *("many", "/books/", AUTHORS, 256, 0.02),
        {"express": 25, "fastify": 20, "fastapi": 1, "alone": 0},
    ),
)


@dataclass(frozen=True)
class Sample:
    """What one contender did in one round."""

    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float
    """Seconds of the process for 1,000 requests."""
    resident: float


def main() -> None:
    """Measure, and print a table for each scenario."""
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds of two seconds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="… that a round takes for each")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", choices=names, help="one scenario")
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 5)
    seconds = options.seconds or (2 if options.quick else 5)
    for contender in CONTENDERS.values():
        contender.set_up()
    with library() as database:
        print(f"Postgres {database.version}, {rounds} rounds of {seconds} s", flush=True)
        for scenario in SCENARIOS:
            if options.only in (None, scenario.name):
                measure(scenario, database, rounds, seconds)


def measure(scenario: Scenario, database: Library, rounds: int, seconds: int) -> None:
    """Run the rounds of one scenario, and print its table."""
    names = [OURS, *scenario.targets]
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    socket_folder = str(conninfo_to_dict(database.conninfo(scenario.database))["host"])
    away = scenario.round_trip
    with far_away(socket_folder, away) if away else nullcontext((socket_folder, 0)) as between:
        folder, proxy = between
        with ExitStack() as started:
            contenders = []
            for name in names:
                copy = database.copy(scenario.database, for_whom=name)
                conninfo = make_conninfo(copy, host=folder)
                path = scenario.path + ("1" if scenario.ids else "")
                contenders.append(started.enter_context(running(CONTENDERS[name], conninfo, path)))
            compare(scenario, contenders)
            warmed_up = {
                one.contender.name: load(scenario, one, max(2, seconds // 2)) for one in contenders
            }
            proxy_busy = 0.0
            for number in range(rounds):
                for one in contenders:
                    print(
                        f"\r{scenario.name}: round {number + 1}, {one.contender.title:30}",
                        end="",
                        file=sys.stderr,
                        flush=True,
                    )
                    before = cpu_seconds(proxy) if proxy else 0
                    samples[one.contender.name].append(load(scenario, one, seconds))
                    if proxy:
                        proxy_busy = max(proxy_busy, (cpu_seconds(proxy) - before) / seconds)
            print(file=sys.stderr)
    transactions = {
        name: database.transactions(for_whom=name)
        / sum(sample.requests for sample in [warmed_up[name], *samples[name]])
        for name in names
    }
    print(f"\n## {scenario.title}\n")
    if proxy:
        print(f"The process between took {proxy_busy:.0%} of a core at most.\n")
    print_table(scenario, samples, transactions)


def compare(scenario: Scenario, contenders: Sequence[Running]) -> None:
    """Make sure that all give the same answers."""
    ours, *others = contenders
    for number in (1, 2, 777, AUTHORS) if scenario.ids else (0,):
        path = scenario.path + (str(number) if number else "")
        expected = httpx.get(ours.url + path)
        for other in others:
            answer = httpx.get(other.url + path)
            if other.contender.own_rendering:
                same = rendered(answer.json()) == rendered(expected.json())
            else:
                same = answer.content == expected.content
            if other.contender.name in ("constant", "alone"):
                same = same and answer.headers.keys() == expected.headers.keys()
            if not same or not answer.is_success or not answer.json():
                sys.exit(f"{other.contender.title} answers otherwise: {answer.text}")


def rendered(data: Any) -> Any:
    """The same with times in milliseconds, as JavaScript writes them."""
    if isinstance(data, list):
        return [rendered(item) for item in data]
    return {
        name: datetime.fromisoformat(value).isoformat(timespec="milliseconds")
        if name.endswith("At")
        else value
        for name, value in data.items()
    }


def load(scenario: Scenario, one: Running, seconds: int) -> Sample:
    """Ask one for so many seconds; every answer has to be good."""
    cpu = one.cpu_seconds
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}", "--timeout", "20s"]
    command += ["-s", str(ROOT / "bench/load.lua"), one.url + scenario.path]
    command += ["--", str(scenario.ids)] if scenario.ids else []
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    summary = json.loads(said.rpartition("SUMMARY ")[2])
    if summary["failed"] or "Non-2xx" in said or not summary["requests"]:
        sys.exit(f"{one.contender.title} fails:\n{said}")
    requests = summary["requests"]
    return Sample(
        requests,
        requests / summary["seconds"],
        summary["p50"],
        summary["p99"],
        (one.cpu_seconds - cpu) / requests * 1000,
        one.resident,
    )


def print_table(
    scenario: Scenario, samples: dict[str, list[Sample]], transactions: dict[str, float]
) -> None:
    """Print medians, with the extremes of the rounds."""
    print(
        "| | requests/s | ours to theirs | target | p50 ms | p99 ms | CPU s per 1,000 | MB"
        " | queries per request |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name, theirs in samples.items():
        rates = [sample.rate for sample in theirs]
        ratio, target = "", ""
        if name != OURS:
            ratios = [
                our.rate / their.rate for our, their in zip(samples[OURS], theirs, strict=True)
            ]
            wanted = scenario.targets[name]
            missed = " **missed**" if median(ratios) < wanted else ""
            ratio = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}){missed}"
            target = f"{wanted:g}" if wanted else ""
        cells = (
            CONTENDERS[name].title,
            f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
            ratio,
            target,
            f"{median(sample.p50 for sample in theirs):.1f}",
            f"{median(sample.p99 for sample in theirs):.1f}",
            f"{median(sample.cpu for sample in theirs):.3f}",
            f"{median(sample.resident for sample in theirs):.0f}",
            f"{transactions[name]:.3f}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
