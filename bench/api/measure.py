"""The API beside what people would use instead: one process each, the same tables and answers.

Contenders take turns, round by round, so that what else the machine does meets all of them. Needs
Debian's `wrk`, `node` and `npm`, and the embedded Postgres.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from bench.answers import compare
from bench.api import tables
from bench.api.load import Meanwhile, Sample, load, query
from bench.api.scenarios import AUTHORS, PGBENCH, SCENARIOS
from bench.contenders import CONTENDERS, running
from bench.library import ROUND_TRIP, far_away, library
from bench.progress import say

if TYPE_CHECKING:
    from bench.api.scenarios import Scenario
    from bench.contenders import Running
    from bench.library import Library
    from bench.results import Section

MOST_CLIENTS = 10
"""… of pgbench: as many as our pool has connections, and as pg's and asyncpg's have."""


@dataclass(frozen=True)
class Found:
    """What the rounds of a scenario gave, for each contender, ours first."""

    samples: dict[str, list[Sample]]
    transactions: dict[str, float]
    """How many Postgres had for each request."""


def measure(*, quick: bool) -> Section:
    """Measure all scenarios; in short, those that have targets."""
    for contender in CONTENDERS.values():
        contender.set_up()
    scenarios = [one for one in SCENARIOS if one.targets or not quick]
    with library() as database:
        database.make_sample("sample")
        database.make("many", authors=AUTHORS, books=3)
        if not quick:
            database.make("thousand", authors=1_000)
        found = [(one, _measure(one, database, quick=quick)) for one in scenarios]
    return tables.section(found, quick=quick)


def _measure(scenario: Scenario, database: Library, *, quick: bool) -> Found:
    names, rounds = scenario.contenders(quick=quick), scenario.rounds(quick=quick)
    reads = scenario.reads
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    asked = dict.fromkeys(names, 0)  # with the one for each connection that is under way at the end
    with ExitStack() as started:
        folder, between = database.socket_folder, None
        if scenario.is_far:
            folder, between = started.enter_context(far_away(folder, ROUND_TRIP))
        servers = []
        for name in names:
            conninfo = make_conninfo(database.copy(reads.database, for_whom=name), host=folder)
            servers.append(started.enter_context(running(CONTENDERS[name], conninfo)))
        _compare(scenario, servers)
        ourselves = make_conninfo(database.conninfo(reads.database), host=folder)
        for number in range(rounds + 1):  # the first one warms up
            say(f"api: {scenario.title}: round {number} of {rounds}")
            meanwhile = Meanwhile(database.pid, between, scenario.seconds if number else 1)
            for one in servers:
                sample = load(one, reads.path, reads.ids, scenario.connections, meanwhile)
                samples[one.contender.name].append(sample)
                asked[one.contender.name] += sample.requests + scenario.connections + 1
            if not quick:
                sample = _query(scenario, database, ourselves, meanwhile)
                samples.setdefault(PGBENCH, []).append(sample)
    return Found(
        samples={name: theirs[1:] for name, theirs in samples.items()},
        transactions={name: database.transactions(for_whom=name) / asked[name] for name in names},
    )


def _compare(scenario: Scenario, servers: list[Running]) -> None:
    ids = (1, 2, 777, AUTHORS) if scenario.reads.ids else ("",)
    compare(servers, *(f"{scenario.reads.path}{number}" for number in ids))


def _query(scenario: Scenario, database: Library, conninfo: str, meanwhile: Meanwhile) -> Sample:
    clients = min(scenario.connections, MOST_CLIENTS)
    with tempfile.NamedTemporaryFile("w", prefix="catalog-pgbench-", dir="/tmp") as script:
        script.write(scenario.reads.script)
        script.flush()
        pgbench = database.bindir / "pgbench"
        return query(pgbench, Path(script.name), conninfo, clients, meanwhile)
