"""The list of all authors, from a thousand to a million: time and memory."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.contenders import CONTENDERS, OTHERS, OURS
from bench.figures import paired, spread
from bench.growth import rounds
from bench.growth.rounds import AT_ONCE, LIMIT
from bench.library import library
from bench.progress import say
from bench.results import Lines, Section, Table, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.growth.rounds import Extremes, Found

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_LONG = 100_000  # rows

_TITLES = {
    **{name: CONTENDERS[name].title for name in (OURS, *OTHERS)},
    LIMIT: "psql, COPY of the same rows as the same text",
}

_HOW = """\
`GET /authors` with more and more authors, asked for by one client, which reads the answer from a
socket and keeps nothing of it. At each size the servers are new; each answers once to warm up, by
which the answers are compared (the same bytes; those of FastAPI with their times cut to
milliseconds), and then in each round, in turns: medians of five rounds (of three at a million, and
with `--quick`), with the extremes. Where a list is short, a round is the median of several
requests, and with this project always of three or more. The time of psql includes its start."""

_MEMORY = """\
Memory is the process' resident memory: before is after one request for `/books/1`, the peak is the
most that it had (`VmHWM`) after all the rounds, in which it answers one request at a time. There
are no ratios of it: the peaks of the others depend on when their garbage collectors run."""


def measure(*, quick: bool) -> Section:
    """Let each answer with the whole list, in turns, at each size."""
    sizes = SIZES[:-1] if quick else SIZES
    for name in (OURS, *OTHERS):
        CONTENDERS[name].set_up()
    found = {}
    with library() as database:
        for size in sizes:
            say(f"growth: making {size:,} authors")
            database.make(str(size), authors=size)
            times = 3 if quick or size > _LONG else 5
            found[size] = rounds.at(size, database, times)
        extremes = rounds.extremes(sizes[-1], database)
    return _section(found, extremes)


def _section(found: dict[int, dict[str, Found]], extremes: Extremes) -> Section:
    lines = [_picture(found, "growth-time", "seconds", lambda one: median(_totals(one)))]
    lines += [_picture(found, "growth-memory", "peak MB", lambda one: one.peak)]
    return Section(
        name="growth",
        title="Lists that grow",
        text=[_HOW, _MEMORY],
        tables=[_table(size, of_size) for size, of_size in found.items()] + [_alone(extremes)],
        lines=lines,
        targets=_targets(found, extremes),
        ratios=_ratios(found),
    )


def _table(size: int, found: dict[str, Found]) -> Table:
    header = ["", "first byte, ms", "theirs to ours", "total, ms", "theirs to ours"]
    header += ["MB before", "MB at the peak"]
    rows = []
    for name, one in found.items():
        if one.failure:
            rows.append([_TITLES[name], f"**fails**: {one.failure}", *[""] * 5])
            continue
        ratios = {"first byte": "", "total": ""} | {
            what: f"{ratio:.2f}" for what, ratio in _to_ours(size, name, found).items()
        }
        is_server = name != LIMIT
        rows.append(
            [
                _TITLES[name],
                _milliseconds(_firsts(one)) if is_server else "",
                ratios["first byte"],
                _milliseconds(_totals(one)),
                ratios["total"],
                f"{one.before:.0f}" if is_server else "",
                f"{one.peak:,.0f}" if is_server else "",
            ]
        )
    return Table(f"{size:,} authors", header, rows)


def _alone(extremes: Extremes) -> Table:
    return Table(
        f"{extremes.rows:,} authors, this project alone",
        ["", ""],
        [
            [
                f"{AT_ONCE} readers at once: memory grows by",
                f"{extremes.grown_together:.1f} MB",
            ],
            [
                "database 20 ms away: first byte after",
                f"{extremes.first_trips:.1f} round trips",
            ],
        ],
    )


def _picture(
    found: dict[int, dict[str, Found]], name: str, unit: str, value: Callable[[Found], float]
) -> Lines:
    lines: dict[str, list[list[float]]] = {}
    for size, of_size in found.items():
        for who, one in of_size.items():
            if not one.failure and value(one):
                lines.setdefault(_TITLES[who], []).append([size, value(one)])
    return Lines(name, f"`/authors`: {unit}", "rows", unit, lines)


def _targets(found: dict[int, dict[str, Found]], extremes: Extremes) -> list[Target]:
    size = extremes.rows
    ours = found[size][OURS]
    rows = f"{size:,} authors"
    return [
        Target(f"{rows}: MB that memory grows by, one reader", None, 32, ours.peak - ours.before),
        Target(
            f"{rows}: MB that memory grows by, {AT_ONCE} readers",
            None,
            64,
            extremes.grown_together,
        ),
        Target(f"{rows}: round trips to the first byte, “a few”", None, 3, extremes.first_trips),
        Target(
            f"{rows}: speed beside psql's COPY",
            0.5,
            None,
            _to_ours(size, LIMIT, found[size])["total"],
        ),
    ]


def _ratios(found: dict[int, dict[str, Found]]) -> dict[str, float]:
    return {
        f"growth, {size:,} rows, {_TITLES[name]}, {what}": ratio
        for size, of_size in found.items()
        for name in of_size
        for what, ratio in _to_ours(size, name, of_size).items()
    }


def _to_ours(size: int, name: str, found: dict[str, Found]) -> dict[str, float]:
    """What it takes of each, in parts of what ours does; nothing if it fails, or is ours."""
    one, ours = found[name], found[OURS]
    if one.failure or name == OURS:
        return {}
    total = {"total": median(paired(_totals(one), _totals(ours)))}
    if name == LIMIT:
        return total if size >= _LONG else {}  # most of a short one is psql's start
    first = {"first byte": median(paired(_firsts(one), _firsts(ours)))}
    return first | total


def _firsts(one: Found) -> list[float]:
    return [read.first for read in one.reads]


def _totals(one: Found) -> list[float]:
    return [read.total for read in one.reads]


def _milliseconds(seconds: list[float]) -> str:
    return spread([second * 1000 for second in seconds], 1 if median(seconds) < 0.1 else 0)
