"""The words for errors: the place, the cause, the state, and what to do next."""

from __future__ import annotations

import pytest

from catalog.errors import (
    Blocked,
    CatalogError,
    DatabaseUnavailable,
    Edited,
    FileProblem,
    FilesInvalid,
    HistoryRefused,
    Interrupted,
    Irreversible,
    Late,
    LedgerUnusable,
    PoolTooSmall,
    PostgresReport,
    ResumeUnclear,
    RunnerBusy,
    ScriptFailed,
    ScriptPlace,
    SettingsError,
    UnknownVersion,
)
from catalog.migrations import explain
from catalog.migrations.events import Finished
from tests.unit.sample import BLOCKED, HISTORY, WHOM

SCRIPT = "-- why\nCREATE TABLE a (id int);\n\tSELECT 'é', x;\n"


def failure(
    *,
    offset: int | None = 0,
    transactional: bool = True,
    done: int = 0,
    blocked: Blocked | None = None,
    in_doubt: bool = False,
    **said: str,
) -> ScriptFailed:
    said = {"sqlstate": "42703", "message": 'column "x" does not exist', **said}
    return ScriptFailed(
        ScriptPlace("sql/0002_b.up.sql", SCRIPT, transactional),
        PostgresReport(**said),
        offset=offset,
        done=done,
        blocked=blocked,
        in_doubt=in_doubt,
    )


def test_a_failure_shows_the_place_the_cause_the_state_and_what_to_do_next() -> None:
    error = failure(offset=SCRIPT.index("x;"), hint="Perhaps you meant y.", detail="One.\nTwo.")

    assert explain.error_text(error, history=HISTORY).splitlines() == [
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
        "Correct the cause, and run the same command again.",
    ]


def test_a_failure_without_a_place_shows_none() -> None:
    first, *rest = explain.error_text(failure(offset=None), history=HISTORY).splitlines()

    assert first == 'sql/0002_b.up.sql: column "x" does not exist'
    assert not any("^" in line for line in rest)


def test_a_failure_tells_what_was_done_before_it() -> None:
    text = explain.error_text(failure(), history=HISTORY, finished=[Finished("0001_z", "up", 1)])

    assert "1 migration done before; the database is at 0001_z." in text


def test_a_failure_without_a_transaction_tells_what_remains() -> None:
    text = explain.error_text(failure(transactional=False, done=1), history=HISTORY)

    assert "1 statement of it took effect, and the same command goes on from there" in text


def test_a_failure_of_the_first_statement_leaves_nothing() -> None:
    text = explain.error_text(failure(transactional=False), history=HISTORY)

    assert "no statement of it was completed" in text


def test_a_failure_of_what_may_have_committed_says_that_and_how_to_go_on() -> None:
    text = explain.error_text(failure(transactional=False, done=1, in_doubt=True), history=HISTORY)

    assert "1 statement of it took effect, and of statement 2 whatever it committed" in text
    assert text.endswith("it stops, and shows how to go on.")


def test_a_failure_that_waited_says_for_whom() -> None:
    text = explain.error_text(failure(blocked=BLOCKED, sqlstate="55P03"), history=HISTORY)

    assert f"It waited for {WHOM}." in text.splitlines()
    assert text.endswith("Run the same command again.")


def test_a_statement_that_refuses_transactions_is_shown_the_way_out() -> None:
    text = explain.error_text(failure(sqlstate="25001"), history=HISTORY)

    assert "begin the file with the line `-- migrate: no-transaction`" in text


def test_an_edited_file_is_shown_as_a_diff_with_the_two_ways_on() -> None:
    edited = Edited("0001_a", "sql/0001_a.up.sql", "SELECT 1;\nSELECT 2;", "SELECT 1;\nSELECT 3;")

    lines = explain.error_text(HistoryRefused(edited=[edited]), history=HISTORY).splitlines()

    assert lines[0] == "sql/0001_a.up.sql was changed after it was applied:"
    assert "    -SELECT 2;" in lines
    assert "    +SELECT 3;" in lines
    assert any("bin/migrate accept 0001_a" in line for line in lines)
    assert lines[-1] == "Nothing was done. The database is at 0001_a."


def test_a_late_migration_is_shown_with_the_commands_that_renumber_it() -> None:
    late = Late("0001_b", ("sql/0001_b.up.sql", "sql/0001_b.down.sql"), "0004")

    lines = explain.error_text(HistoryRefused(late=[late]), history=HISTORY).splitlines()

    assert "  git mv sql/0001_b.up.sql sql/0004_b.up.sql" in lines
    assert "  git mv sql/0001_b.down.sql sql/0004_b.down.sql" in lines
    assert "or apply them as they are: bin/migrate up --out-of-order" in lines


def test_what_cannot_be_resumed_is_shown_with_the_two_ways_on() -> None:
    error = ResumeUnclear("0002_b", "up", 2, "CALL p();", "was begun", done=1)

    text = explain.error_text(error, history=HISTORY)

    assert text.startswith("0002_b broke off, and its statement 2 was begun:\n\n    CALL p();")
    assert "bin/migrate up --resume-at K" in text
    assert "--resume-at 3   if statement 2 took effect" in text
    assert "--resume-at 2   to run it (again)" in text


# --- Everything else in a line


PROBLEMS = [
    FileProblem("a.sql", "is empty", "write something", text=None),
    FileProblem("b.sql", "has its own COMMIT", "remove it", text="SELECT 1;\n COMMIT;", offset=11),
]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            SettingsError("the port is none", "give one"),
            "the port is none; give one. The database is at 0001_a.",
        ),
        (
            DatabaseUnavailable("cannot connect", "start it", passing=True),
            "cannot connect; start it. The database is at 0001_a.",
        ),
        (
            FilesInvalid(PROBLEMS),
            "a.sql: is empty; write something\nb.sql:2:2: has its own COMMIT; remove it",
        ),
        (
            UnknownVersion("0009", ["0001_a", "0002_b"]),
            'there is no migration "0009"; those there are: from 0001_a to 0002_b',
        ),
        (UnknownVersion("0009", []), 'there is no migration "0009"; those there are: none'),
        (
            Irreversible(["0001_a"]),
            "0001_a: no down script, so it cannot be reverted. The database is at 0001_a.",
        ),
        (
            LedgerUnusable("public.schema_migrations", ["version"]),
            (
                "the table public.schema_migrations was not made by this runner"
                " (its columns are version), and was left as it is; put the ledger elsewhere with"
                " --table SCHEMA.NAME or MIGRATIONS_TABLE"
            ),
        ),
        (
            LedgerUnusable("a.b", None, 'there is no schema "a"'),
            (
                'the ledger cannot be kept in a.b: there is no schema "a"; name another place with'
                " --table SCHEMA.NAME or MIGRATIONS_TABLE"
            ),
        ),
        (
            RunnerBusy("process 7", 60.0),
            (
                "another runner is at work: process 7; waited 60 s. The database is at 0001_a."
                " Try again when it is done, or wait longer with --wait."
            ),
        ),
        (
            PoolTooSmall(),
            (
                "the connection pooler gave one server connection for the lock, and has none for"
                " the work; use a direct connection (DATABASE_URL_UNPOOLED), or give the pool two"
            ),
        ),
        (
            Interrupted(2, ScriptPlace("sql/0002_b.up.sql", SCRIPT, transactional=True)),
            (
                "interrupted in sql/0002_b.up.sql. It was rolled back: nothing of it remains."
                " The database is at 0001_a."
            ),
        ),
        (Interrupted(2), "interrupted between scripts. The database is at 0001_a."),
    ],
)
def test_an_error_is_said_in_plain_words(error: CatalogError, expected: str) -> None:
    assert explain.error_text(error, history=HISTORY) == expected


def test_nothing_is_said_of_a_database_that_was_not_reached() -> None:
    assert "database is at" not in explain.error_text(Irreversible(["0001_a"]))
