"""The words of the runner's output."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from catalog.database import Reply
from catalog.errors import (
    CatalogError,
    DatabaseUnavailable,
    FileProblem,
    FilesInvalid,
    HistoryRefused,
    Interrupted,
    Irreversible,
    LedgerUnusable,
    PostgresReport,
    RunnerBusy,
    ScriptFailed,
    SettingsError,
    UnknownVersion,
)
from catalog.migrations import report
from catalog.migrations.apply import Event, Finished, Noticed, Started, Waiting
from catalog.migrations.migration import Migration, Script
from catalog.migrations.plan import Applied, History


def migration(name: str) -> Migration:
    return Migration(name, int(name[:4]), Script(f"{name}.up.sql", f"SELECT '{name}';"))


def applied(name: str, at: datetime = datetime(2026, 11, 23, 23, 56, 34, tzinfo=UTC)) -> Applied:
    return Applied(
        name=name,
        position=int(name[:4]),
        applied_at=at,
        duration_ms=12.3,
        checksum=migration(name).checksum,
    )


HISTORY = History([migration("0001_a"), migration("0002_b")], [applied("0001_a")])


# --- While it runs


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Finished("0001_a", "up", 12.3), f"  applied   {'0001_a':<40}     12 ms"),
        (Finished("0001_a", "down", 1234), f"  reverted  {'0001_a':<40}     1.2 s"),
        (Waiting("another runner"), "  waiting for another runner"),
        (Noticed("NOTICE", "it is there already"), "  notice: it is there already"),
        (Started("0001_a", "up"), None),
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


# --- status


def test_the_table_shows_what_is_applied_and_what_is_pending() -> None:
    assert report.status_table(HISTORY).splitlines() == [
        "migration  applied                  took",
        "0001_a     2026-11-23 23:56:34 UTC  12 ms",
        "0002_b     pending",
    ]


def test_the_table_tells_every_time_in_utc() -> None:
    local = datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=5)))

    table = report.status_table(History([], [applied("0001_a", local)]))

    assert "2026-11-23 20:00:00 UTC" in table


def test_the_table_says_which_files_are_not_there() -> None:
    table = report.status_table(History([], [applied("0001_a")]))

    assert table.splitlines()[1].endswith("12 ms  (its file is not here)")


def test_the_sum_of_the_table_says_what_to_do() -> None:
    assert report.status_summary(HISTORY) == "1 applied, 1 pending: bin/migrate up"
    assert report.status_summary(History([], [])) == "0 applied, nothing is pending"


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
    reply = Reply(done=len(tags), tags=tags, rows=[], error=None)

    assert report.seeded("seed.sql", reply) == expected


# --- Failures


SCRIPT = "-- why\nCREATE TABLE a (id int);\n\tSELECT 'é', x;\n"


def failure(
    *, offset: int | None = 0, transactional: bool = True, done: int = 0, **said: str
) -> ScriptFailed:
    return ScriptFailed(
        "sql/0002_b.up.sql",
        SCRIPT,
        PostgresReport(**{"sqlstate": "42703", "message": 'column "x" does not exist', **said}),
        offset=offset,
        transactional=transactional,
        done=done,
        statements=2,
    )


def test_a_failure_shows_the_place_the_cause_the_state_and_what_to_do_next() -> None:
    error = failure(offset=SCRIPT.index("x;"), hint="Perhaps you meant y.", detail="One.\nTwo.")

    assert report.error_text(error, history=HISTORY).splitlines() == [
        'sql/0002_b.up.sql:3:14: column "x" does not exist',
        "",
        "    \tSELECT 'é', x;",
        "    \t            ^",
        "detail: One.",
        "        Two.",
        "hint: Perhaps you meant y.",
        "SQLSTATE 42703",
        "",
        "It was rolled back: nothing of it remains. The database is at 0001_a.",
        "Correct the cause and run the same command again.",
    ]


def test_a_failure_without_a_place_shows_none() -> None:
    first, *rest = report.error_text(failure(offset=None), history=HISTORY).splitlines()

    assert first == 'sql/0002_b.up.sql: column "x" does not exist'
    assert not any("^" in line for line in rest)


def test_a_failure_tells_what_was_done_before_it() -> None:
    text = report.error_text(failure(), history=HISTORY, finished=[Finished("0001_z", "up", 1)])

    assert "1 migration before it" in text
    assert "he database is at 0001_z." in text


def test_a_failure_without_a_transaction_tells_what_remains() -> None:
    text = report.error_text(failure(transactional=False, done=1), history=HISTORY)

    assert "first 1 statement" in text
    assert "not recorded as applied" in text
    assert "Undo by hand" in text


def test_a_failure_of_the_first_statement_leaves_nothing() -> None:
    text = report.error_text(failure(transactional=False), history=HISTORY)

    assert "no statement of it was completed" in text
    assert "Undo by hand" not in text


# --- Everything else in a line


PROBLEMS = [
    FileProblem("a.sql", "is empty", "write something", text=None),
    FileProblem("b.sql", "has its own COMMIT", "remove it", text="SELECT 1;\n COMMIT;", offset=11),
]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SettingsError("the port is none", "give one"), "the port is none; give one"),
        (
            DatabaseUnavailable("cannot connect", "start it", passing=True),
            "cannot connect; start it",
        ),
        (
            FilesInvalid(PROBLEMS),
            "a.sql: is empty; write something\nb.sql:2:2: has its own COMMIT; remove it",
        ),
        (
            UnknownVersion("0009", ["0001_a", "0002_b"]),
            'there is no migration "0009"; those here are from 0001_a to 0002_b',
        ),
        (UnknownVersion("0009", []), 'there is no migration "0009"; those here are none'),
        (
            HistoryRefused(edited=["a.sql"], late=["b.sql"]),
            "a.sql: was changed after it was applied\nb.sql: is older than what is applied already",
        ),
        (
            Irreversible(["0001_a"]),
            "0001_a: no down script, so it cannot be reverted. The database is at 0001_a.",
        ),
        (
            LedgerUnusable("public.schema_migrations", ["version"]),
            (
                "the table public.schema_migrations was not made by this runner"
                " (its columns are version); it was left as it is"
            ),
        ),
        (
            LedgerUnusable("schema_migrations", []),
            "there is no schema to keep the table schema_migrations in; set a search_path",
        ),
        (
            Interrupted("sql/0002_b.up.sql", 2, transactional=True, done=0),
            (
                "interrupted in sql/0002_b.up.sql: It was rolled back: nothing of it remains. "
                "The database is at 0001_a."
            ),
        ),
    ],
)
def test_an_error_is_said_in_plain_words(error: CatalogError, expected: str) -> None:
    assert report.error_text(error, history=HISTORY) == expected


def test_a_runner_that_is_busy_is_named_with_what_to_do() -> None:
    text = report.error_text(RunnerBusy("process 7", 60.0), history=HISTORY)

    assert text.startswith("another runner is at work: process 7. Waited 60 s; ")
    assert text.endswith("Try again when it is done, or wait longer with --wait.")


def test_nothing_is_said_of_a_database_that_was_not_reached() -> None:
    assert "database is at" not in report.error_text(Irreversible(["0001_a"]))
