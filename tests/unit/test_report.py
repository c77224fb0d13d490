"""The words of the runner's output."""

from __future__ import annotations

import pytest

from catalog.migrations import report
from catalog.migrations.events import (
    Event,
    Finished,
    Healed,
    Noticed,
    Resumed,
    Retrying,
    Running,
    Started,
    Waiting,
)
from catalog.migrations.losses import Loss
from catalog.migrations.migration import Migration, Script
from catalog.migrations.plan import History
from tests.unit.sample import BLOCKED, HISTORY, WHOM, applied, migration

# --- While it runs


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Finished("0001_a", "up", 12.3), f"  applied   {'0001_a':<40}     12 ms"),
        (Finished("0001_a", "down", 1234), f"  reverted  {'0001_a':<40}     1.2 s"),
        (Waiting("another runner"), "  waiting for another runner"),
        (Noticed("NOTICE", "it is there already"), "  notice: it is there already"),
        (Started("0001_a", "up"), None),
        (Running("0001_a", 1.0), None),
        (
            Finished("0001_a", "up", 1, by_other=True),
            f"  applied   {'0001_a':<40} by another runner",
        ),
        (
            Retrying("0001_a", "canceling statement", 0.5, BLOCKED),
            f"  0001_a: canceling statement ({WHOM}); rolled back, trying again",
        ),
        (
            Retrying("0001_a", "deadlock detected", 0.5, None),
            "  0001_a: deadlock detected; rolled back, trying again",
        ),
        (
            Resumed("0001_a", 2),
            "  0001_a: goes on after statement 2",
        ),
        (
            Healed("0001_a", "public.i"),
            "  0001_a: removed the invalid index public.i, to build it again",
        ),
    ],
)
def test_an_event_is_a_line_at_most(event: Event, expected: str | None) -> None:
    assert report.event_line(event) == expected


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        ([], "Nothing to apply: the database is at 0001_a."),
        ([Finished("0002_b", "up", 1)], "1 migration applied; the database is at 0002_b."),
        (
            [Finished("0002_b", "up", 1), Finished("0003_c", "up", 1)],
            "2 migrations applied; the database is at 0003_c.",
        ),
        (
            [Finished("0001_a", "down", 1)],
            "1 migration reverted; the database has no migrations applied.",
        ),
    ],
)
def test_a_command_ends_with_its_sum(finished: list[Finished], expected: str) -> None:
    assert report.outcome(finished, HISTORY, nothing="apply") == expected


def test_what_was_reverted_and_applied_again_leaves_the_database_where_it_was() -> None:
    redone = [Finished("0001_a", "down", 1), Finished("0001_a", "up", 1)]

    assert report.newest_after(redone, HISTORY) == "0001_a"


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0 ms"),
        (0.4, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_900, "59.9 s"),
        (60_000, "1 min 0 s"),
        (3_661_000, "61 min 1 s"),
    ],
)
def test_a_duration_is_as_precise_as_a_person_wants_it(milliseconds: float, expected: str) -> None:
    assert report.duration(milliseconds) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Running("0001_a", 0.6), "  0001_a  600 ms"),
        (
            Running("0001_a", 61, "building index", 42.0),
            "  0001_a  1 min 1 s  [########............] 42 %  building index",
        ),
        (Running("0001_a", 2, blocked=BLOCKED), f"  0001_a  2.0 s  waits for {WHOM}"),
    ],
)
def test_a_script_that_runs_is_told_of_in_one_live_line(event: Running, expected: str) -> None:
    assert report.live_line(event, 200) == expected
    assert len(report.live_line(event, 40)) < 40


def test_a_live_line_shortens_the_name_before_what_changes() -> None:
    event = Running("0001_" + "a" * 70, 61, "building index", 42.0)

    assert report.live_line(event, 80).endswith(
        "…  1 min 1 s  [########............] 42 %  building index"
    )


# --- status


def test_the_table_shows_what_is_applied_and_what_is_pending() -> None:
    assert report.status_table(HISTORY).splitlines() == [
        "migration  applied                  took",
        "0001_a     2026-11-23 23:56:34 UTC  12 ms",
        "0002_b     pending",
    ]


def test_the_table_says_what_is_odd() -> None:
    edited = Migration("0002_b", 2, Script("0002_b.up.sql", "SELECT 'something else';"))
    found = History(
        [migration("0001_a"), edited], [applied("0002_b"), applied("0003_c"), applied("0004_d")]
    )

    assert [
        line.split("  ")[-1].strip() for line in report.status_table(found).splitlines()[1:]
    ] == [
        "changed since",
        "no file",
        "no file",
        "older than what is applied",
    ]


def test_a_database_newer_than_the_files_is_told_of() -> None:
    found = History([migration("0002_b")], [applied("0001_a"), applied("0003_c")])

    assert report.warnings(found, []) == [
        "The database is newer than these files: 0003_c came with a later release.",
        "Applied, but without a file here: 0001_a.",
    ]
    assert report.warnings(HISTORY, []) == []


def test_a_name_too_long_for_the_screen_has_a_line_to_itself() -> None:
    found = History([migration("0001_a"), migration("0002_" + "b" * 70)], [applied("0001_a")])

    assert report.status_table(found, columns=80).splitlines() == [
        "migration" + " " * 39 + "  applied                  took",
        "0001_a   " + " " * 39 + "  2026-11-23 23:56:34 UTC  12 ms",
        "0002_" + "b" * 70,
        " " * 48 + "  pending",
    ]


def test_long_names_are_aligned_as_far_as_there_is_room() -> None:
    names = ["0001_a", "0002_" + "b" * 45]

    for columns, end in ((None, 72), (80, 72), (70, 70)):
        width = report.name_width(names, columns)
        lines = [report.event_line(Finished(name, "up", 12), width) for name in names]
        assert {len(line or "") for line in lines} == {end}
    assert report.name_width(["0001_a"], None) == 40


def test_the_sum_of_the_table_says_what_to_do() -> None:
    assert report.status_summary(HISTORY) == "1 applied, 1 pending: bin/migrate up"
    assert report.status_summary(History([], [])) == "0 applied, nothing is pending"


def test_the_sum_of_the_table_counts_what_was_changed() -> None:
    edited = Migration("0001_a", 1, Script("0001_a.up.sql", "SELECT 'something else';"))

    assert (
        report.status_summary(History([edited], [applied("0001_a")]))
        == "1 applied (1 changed since), nothing is pending"
    )


# --- Data


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["INSERT 0 3", "INSERT 0 8"], "seed.sql ran: 11 rows changed."),
        (["CREATE TABLE", "UPDATE 1"], "seed.sql ran: 1 row changed."),
        (["INSERT 0 0", "SELECT 5"], "seed.sql had nothing to add."),
        ([], "seed.sql had nothing to add."),
    ],
)
def test_a_script_of_data_tells_how_many_rows_it_changed(tags: list[str], expected: str) -> None:
    assert report.seeded("seed.sql", tags) == expected


def test_what_would_be_lost_is_named_with_its_rows() -> None:
    lost = [Loss("a", None), Loss("b", "x"), Loss("c", None, emptied=True)]

    assert report.loss_lines(lost, [12, 1, None]) == [
        "  drops table a, about 12 rows",
        "  drops column x of b, about 1 row",
        "  empties table c",
    ]


def test_a_dry_run_lists_what_would_be_done() -> None:
    assert report.dry_run(["0001_a"], "up") == "Would be applied:\n  0001_a"
    assert report.dry_run([], "down") == "Nothing would be reverted."
