"""What was found of the API, as tables, pictures, ratios and targets."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.api.scenarios import PGBENCH
from bench.contenders import CONTENDERS, OURS
from bench.figures import paired, spread
from bench.results import Bars, Panel, Section, Table, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.api.measure import Found
    from bench.api.scenarios import Scenario

_TITLES = {name: one.title for name, one in CONTENDERS.items()} | {
    PGBENCH: "Postgres alone, by pgbench"
}

_HOW = """\
One process each, which asks a copy of the same database for itself; load by `wrk` with one thread;
load, servers and Postgres share the machine. Before each scenario the servers are new, and their
answers are compared (the same bytes; those of FastAPI with their times cut to milliseconds). Then
they take turns, round by round: medians, with the extremes, and ratios of rounds that lie side by
side. Latencies are left out where some wait for longer than a round takes, p99 of fewer than 300
requests, and CPU of less than three hundredths of a second. Pools are as large as each has them by
default: Sequelize's 5, pg's 10, asyncpg's 10, ours 10; far away these numbers decide. Nobody's
closes what is idle while the others have their turns. The second transaction of FastAPI's is
asyncpg's own: it resets each connection that goes back to the pool; one of ours is two statements,
sent together. The database that is 20 ms away has a process before it that delays each way by
10."""

_LIMITS = """\
Limits stand beside them: the same server with a constant body, and with a query for each request;
and pgbench, with a plain query for the same list prepared, as many clients as there are
connections, and no more than the ten of a pool."""

_QUICK = """\
Only what has targets was measured, in fewer rounds: the full run has eighteen scenarios, and all
the limits."""


def section(found: Sequence[tuple[Scenario, Found]], *, quick: bool) -> Section:
    """All of it, an overview first."""
    return Section(
        name="api",
        title="The API",
        text=[_HOW, _LIMITS, *([_QUICK] if quick else [])],
        tables=[_overview(found), *(_table(scenario, one) for scenario, one in found)],
        bars=[
            Bars("api", "Requests per second", _panels("requests/s", "rate", found)),
            Bars("api-latency", "99 of 100 requests take at most", _panels("ms", "p99", found)),
        ],
        targets=[
            Target(
                f"{scenario.title}: times as many requests per second as {_TITLES[name]}",
                at_least=times,
                at_most=None,
                measured=median(_to_theirs(one, name)),
            )
            for scenario, one in found
            for name, times in scenario.targets.items()
        ],
        ratios={
            f"api, {scenario.title}, {_TITLES[name]}": median(_to_theirs(one, name))
            for scenario, one in found
            for name in one.samples
            if name != OURS
        },
    )


def _overview(found: Sequence[tuple[Scenario, Found]]) -> Table:
    measured = {name for _, one in found for name in one.samples}
    others = [name for name in _TITLES if name != OURS and name in measured]
    rows = []
    for scenario, one in found:
        ratios = {name: f"{median(_to_theirs(one, name)):.2f}" for name in one.samples}
        rows.append([scenario.title, *(ratios.get(name, "") for name in others)])
    return Table(
        "How many times as many requests per second we answer",
        ["", *(_TITLES[name] for name in others)],
        rows,
        ["Below 1 the other one is faster; each scenario has a table below."],
    )


def _table(scenario: Scenario, found: Found) -> Table:
    header = ["", "requests/s", "ours to theirs", "target", "p50 ms", "p99 ms"]
    header += ["CPU s per 1,000", "Postgres'", "MB", "transactions per request"]
    rows = []
    for name, samples in found.samples.items():
        ratio, target = "", ""
        if name != OURS:
            ratios = _to_theirs(found, name)
            wanted = scenario.targets.get(name)
            missed = " **missed**" if wanted and median(ratios) < wanted else ""
            ratio = f"{spread(ratios, 2)}{missed}"
            target = f"{wanted:g}" if wanted else ""
        rows.append(
            [
                _TITLES[name],
                spread([sample.rate for sample in samples], 0),
                ratio,
                target,
                _middle((sample.p50 for sample in samples), 1),
                _middle((sample.p99 for sample in samples), 1),
                _middle((sample.cpu for sample in samples), 3),
                _middle((sample.postgres for sample in samples), 3),
                _middle((sample.resident for sample in samples), 0),
                f"{found.transactions[name]:.2f}" if name in found.transactions else "",
            ]
        )
    return Table(scenario.title, header, rows, _meanwhile(found))


def _meanwhile(found: Found) -> list[str]:
    samples = [sample for theirs in found.samples.values() for sample in theirs]
    others = [sample.others for sample in samples]
    told = (
        f"Processes that have nothing to do with it took {median(others):.0%} of the machine"
        f" ({min(others):.0%} to {max(others):.0%} in a round); above a few, trust the CPU seconds"
        " more than the rates."
    )
    between = max(sample.between for sample in samples)
    far = f" What stood for the distance took {between:.0%} of a core at most." if between else ""
    return [told + far]


def _panels(unit: str, what: str, found: Iterable[tuple[Scenario, Found]]) -> list[Panel]:
    return [
        Panel(
            scenario.title,
            unit,
            {
                _TITLES[name]: median(known)
                for name, samples in one.samples.items()
                if (known := [got for each in samples if (got := getattr(each, what)) is not None])
            },
        )
        for scenario, one in found
        if scenario.targets
    ]


def _to_theirs(found: Found, name: str) -> list[float]:
    """Our requests per second to theirs, of each round."""
    ours, theirs = found.samples[OURS], found.samples[name]
    return paired([sample.rate for sample in ours], [sample.rate for sample in theirs])


def _middle(values: Iterable[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):,.{digits}f}" if known else ""
