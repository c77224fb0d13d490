"""The API beside what people would use instead: one process each, the same tables and answers.

    python -m bench.api [--quick] [--rounds N] [--seconds S] [--only NAME]

Contenders take turns, round by round, so that what else the machine does meets all of them; what
is told are the medians of the rounds, and their extremes. Needs Debian's `wrk`, `node` and `npm`,
and the embedded Postgres. Speeds mean nothing on another machine; the ratios do.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.contenders import CONTENDERS, Running, running
from bench.library import AUTHORS, far_away, library
from bench.load import Sample, Wanted, Watched, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.library import Library

OURS = "catalog"


@dataclass(frozen=True)
class Scenario:
    """What is asked, of which database."""

    name: str
    title: str
    wanted: Wanted
    database: str
    round_trip: float
    """Seconds to the database and back."""
    targets: dict[str, float]
    """Whom we are measured against, and how many times as fast we are to be; 0 for no matter."""


SCENARIOS = (
    Scenario(
        "authors",
        "`/authors`, 3 rows, 32 connections",
        Wanted("/authors", ids=0, connections=32),
        database="sample",
        round_trip=0,
        targets={"express": 6, "fastify": 1, "fastapi": 2.5, "constant": 0.5},
    ),
    Scenario(
        "books",
        "random `/books/{id}` of 10,000 authors, 32 connections",
        Wanted("/books/", ids=AUTHORS, connections=32),
        database="many",
        round_trip=0,
        targets={"express": 5, "fastify": 1.2, "fastapi": 2.5, "alone": 0},
    ),
    Scenario(
        "far",
        "random `/books/{id}` of 10,000 authors, database 20 ms away, 256 connections",
        Wanted("/books/", ids=AUTHORS, connections=256),
        database="many",
        round_trip=0.02,
        targets={"express": 25, "fastify": 20, "fastapi": 1, "alone": 0},
    ),
)


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
    asked = dict.fromkeys(names, 0)
    with ExitStack() as started:
        folder, between = str(conninfo_to_dict(database.conninfo("many"))["host"]), None
        if scenario.round_trip:
            folder, between = started.enter_context(far_away(folder, scenario.round_trip))
        contenders = []
        for name in names:
            conninfo = make_conninfo(database.copy(scenario.database, for_whom=name), host=folder)
            contenders.append(started.enter_context(running(CONTENDERS[name], conninfo)))
        compare(scenario.wanted, contenders)
        for number in range(rounds + 1):
            for one in contenders:
                say(f"{scenario.name}: round {number} of {rounds}, {one.contender.title}")
                watched = Watched(one.pid, database.pid, between)
                sample = load(one.url, scenario.wanted, watched, seconds)
                asked[one.contender.name] += sample.requests
                if number:  # the first time warms up
                    samples[one.contender.name].append(sample)
    say("")
    queries = {name: database.transactions(for_whom=name) / asked[name] for name in names}
    print(f"\n## {scenario.title}\n")
    print_table(scenario, samples, queries)
    everything = [sample for theirs in samples.values() for sample in theirs]
    if between:
        busy = max(sample.between for sample in everything)
        print(f"\nWhat stood for the distance took {busy:.0%} of a core at most.")
    others = [sample.others for sample in everything]
    print(
        f"\nProcesses that have nothing to do with it took {median(others):.0%} of the machine"
        f" ({min(others):.0%} to {max(others):.0%} in a round); above a few, trust the CPU seconds"
        " more than the rates.",
        flush=True,
    )


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def compare(wanted: Wanted, contenders: Sequence[Running]) -> None:
    """Make sure that all give the same answers."""
    ours, *others = contenders
    for number in (1, 2, 777, AUTHORS) if wanted.ids else ("",):
        path = f"{wanted.path}{number}"
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


def print_table(
    scenario: Scenario, samples: dict[str, list[Sample]], queries: dict[str, float]
) -> None:
    """Print medians, with the extremes of the rounds."""
    print(
        "| | requests/s | ours to theirs | target | p50 ms | p99 ms | CPU s per 1,000 | Postgres'"
        " | MB | queries per request |\n|---|---|---|---|---|---|---|---|---|---|"
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
            f"{median(sample.postgres for sample in theirs):.3f}",
            f"{median(sample.resident for sample in theirs):.0f}",
            f"{queries[name]:.3f}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
