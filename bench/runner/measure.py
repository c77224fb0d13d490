"""The runner beside what people would use instead, and beside `psql` as the limit."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from bench.library import ROUND_TRIP
from bench.progress import say
from bench.results import Bars, Panel, Section, Target
from bench.runner.rounds import OURS, Scenario, rounds
from bench.runner.tables import (
    FEW,
    MANY,
    ratios,
    table_of_times,
    table_of_tools,
    table_of_trips,
)
from bench.runner.trial import trials
from bench.runner.trips import trips
from bench.tools import TOOLS, VARIANTS

if TYPE_CHECKING:
    from bench.runner.rounds import Outcome
    from bench.runner.trips import Trips

_LIMIT = "psql"
_TIMED = tuple(name for name in TOOLS if name not in VARIANTS)
_TWICE = ("up", "again", "status", "again", "status", "down")
"""The steps of a round where they are short: the shortest of them vary the most."""

_AT_ONCE = frozenset({("dbmate", "again"), ("dbmate", "status")})

TEN = Scenario(
    "10 migrations",
    10,
    rounds=7,
    tools=_TIMED,
    steps=_TWICE,
    at_once=_AT_ONCE | {("dbmate", "up"), ("psql", "up"), ("psql", "down")},
)
HUNDRED = Scenario(
    "100 migrations",
    100,
    rounds=5,
    tools=_TIMED,
    steps=_TWICE,
    at_once=_AT_ONCE | {("psql", "down")},
)
THOUSAND = Scenario(
    "1,000 migrations",
    1000,
    rounds=5,
    tools=_TIMED,
    back={"dbmate": 100, "sequelize": 100},
    at_once=_AT_ONCE,
)
FIFTY = Scenario(
    "50 migrations, database 20 ms away",
    50,
    rounds=5,
    tools=_TIMED,
    round_trip=ROUND_TRIP,
    back={"dbmate": 10},
)
# The fewest rounds that have a median; waiting is most of the way's, so that one is enough.
QUICK = (
    replace(HUNDRED, rounds=3),
    replace(
        FIFTY,
        rounds=1,
        alone=4,
        tools=tuple(name for name in _TIMED if name != _LIMIT),
        steps=("up",),
    ),
)

_TEXT = """
Each migration makes a small table. A round gives every tool a new database and takes, in turns,
`up` of all, `up` with nothing to do, `status`, and `down` of all; after each the tool's ledger and
the tables are counted. Of 10 and 100 migrations, `up` with nothing to do and `status` are taken
twice in a round. Given are the medians and the extremes; ratios are medians of the rounds' own,
theirs to ours: above 1, ours is faster. dbmate and `psql` are programs that start in hundredths of
a second, and Python takes about two tenths: where there is next to nothing to do, that is all the
difference.

Postgres is on a Unix socket, with its default settings: what is committed is on the
disk, unless `/tmp` is memory.

CPU and memory are those of the tool and its children, without Postgres'. Round trips are counted by
a proxy that reads the protocol, in runs of their own, connecting apart.

The database that is 20 ms away has a process before it that delays each way by 10. It listens on a
socket, too, so that connecting lacks TCP's handshake: over a network each connection takes a round
trip more, and with TLS two or three.

`psql` asks nothing and decides nothing: it runs the same statements in one session, with a row of a
ledger and a commit for each, and knows neither a status nor what has been done. Where Postgres is
near, it is the limit. Where it is not, it is none: it sends each statement by itself.
"""


_QUICK = """
A quick run has neither 10 nor 1,000 migrations, and so nothing to hold against the targets for
those. Of the database that is far away it has one round, but of this project five: there its ratios
are of medians.
"""


def measure(*, quick: bool) -> Section:
    """Count the trips, which warms up, and then time all there is."""
    for tool in TOOLS.values():
        tool.set_up()
    with trials() as place:
        say("round trips")
        few, many = (trips(place, list(TOOLS.values()), count) for count in (FEW, MANY))
        scenarios = QUICK if quick else (TEN, HUNDRED, THOUSAND, FIFTY)
        found = {scenario.title: rounds(scenario, place) for scenario in scenarios}
    return Section(
        "runner",
        "Migrations: `up`, `status`, `down`",
        [" ".join(paragraph.split()) for paragraph in (_TEXT + _QUICK * quick).split("\n\n")],
        [
            *(table_of_times(outcome) for outcome in found.values()),
            table_of_trips(few, many),
            table_of_tools(TOOLS),
        ],
        bars=[_bars(found, many)],
        targets=_targets(found, many[OURS]),
        ratios={
            name: ratio for outcome in found.values() for name, ratio in ratios(outcome).items()
        },
    )


def _bars(found: dict[str, Outcome], counted: dict[str, dict[str, Trips]]) -> Bars:
    def seconds(scenario: Scenario, step: str, what: str) -> Panel:
        outcome = found[scenario.title]
        bars = {
            TOOLS[tool].title: median(times)
            for tool in outcome.scenario.tools
            if (times := outcome.seconds(tool, step))
        }
        return Panel(f"{scenario.title}: {what}", "s", bars)

    trips = Panel(
        f"{FIFTY.title}: `up`",
        "round trips",
        {TOOLS[tool].title: float(counted[tool]["up"].trips) for tool in FIFTY.tools},
    )
    return Bars(
        "runner",
        "Migrations",
        [
            seconds(FIFTY, "up", "`up`"),
            trips,
            seconds(HUNDRED, "up", "`up`"),
            seconds(HUNDRED, "again", "nothing to do"),
        ],
    )


def _targets(found: dict[str, Outcome], counted: dict[str, Trips]) -> list[Target]:
    targets = [
        Target(f"round trips of {what}", None, at_most, counted[step].trips)
        for what, step, at_most in (
            ("`up` with nothing to do", "again", 3),
            ("`status`", "status", 3),
            ("`up` of 50 migrations", "up", 55),
            ("`down` of 50 migrations", "down", 55),
        )
    ]
    if thousand := found.get(THOUSAND.title):
        ten = found[TEN.title]
        if ratio := thousand.ratio(OURS, "up", to=_LIMIT):
            targets.append(Target("`up` of 1,000 migrations, to `psql`", None, 1.3, ratio))
        for what, step in (("`up` with nothing to do", "again"), ("`status`", "status")):
            more = median(thousand.seconds(OURS, step)) / median(ten.seconds(OURS, step))
            targets.append(Target(f"{what}, 1,000 migrations to 10", None, 2, more))
    return targets
