"""What lines look like on a terminal: how they are folded, and which have colours."""

from __future__ import annotations

import re

import pytest

from catalog.migrations import screen

GREEN, YELLOW, RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"


def plain(text: str, width: int = 80) -> list[str]:
    return screen.result(text, width, coloured=False).split("\n")


# --- Folding


@pytest.mark.parametrize("width", [80, 200])
def test_what_fits_stays_as_it_is(width: int) -> None:
    text = "  applied   0001_a        5 ms\n\n" + "x" * width

    assert screen.result(text, width, coloured=False) == text


def test_a_long_line_goes_on_under_its_beginning() -> None:
    line = "        locks " + ", ".join(f'"Table{number}"' for number in range(10))

    first, *rest = plain(line)

    assert first.startswith('        locks "Table0", ')
    assert rest
    assert all(re.match(r" {12}\S", each) for each in rest)
    assert all(len(each) <= 80 for each in (first, *rest))
    assert " ".join([first, *(each.strip() for each in rest)]) == line


def test_what_has_a_label_goes_on_beside_it() -> None:
    assert plain("scratch  Postgres 18.4: a scratch database in /somewhere/else", 50) == [
        "scratch  Postgres 18.4: a scratch database in",
        "         /somewhere/else",
    ]


def test_a_command_to_be_copied_is_not_broken() -> None:
    words = "Restore the file; or record its text: bin/migrate accept 0001_a --table x.y"

    assert plain(words, 60) == [
        "Restore the file; or record its text:",
        "    bin/migrate accept 0001_a --table x.y",
    ]


def test_code_to_be_copied_is_not_broken() -> None:
    assert plain("  safer: in a file that begins with `-- migrate: no-transaction`", 50) == [
        "  safer: in a file that begins with",
        "      `-- migrate: no-transaction`",
    ]


def test_a_word_that_is_too_long_is_left_whole() -> None:
    assert plain("in " + "/folder" * 20, 80) == ["in", "    " + "/folder" * 20]


def test_in_a_failure_sql_and_commands_to_copy_are_left_alone() -> None:
    sql = "    SELECT " + "x, " * 40
    move = "  git mv " + "a" * 50 + " " + "b" * 50
    prose = "It was rolled back: nothing of it remains. " * 3

    shown = screen.failure(f"{sql}\n{move}\n{prose.strip()}", 80, coloured=False).split("\n")

    assert shown[:2] == [sql, move]
    assert [len(line) <= 80 and not line.startswith(" ") for line in shown[2:]] == [True, True]


def test_colours_take_no_room() -> None:
    line = "0001_a: " + "x" * 72

    shown = screen.result(line, 80, coloured=True)

    assert shown == f"0001_a: {YELLOW}{'x' * 72}\x1b[m"


# --- Colours


@pytest.mark.parametrize(
    ("line", "colour", "of"),
    [
        ("  applied   0001_a           5 ms", GREEN, "applied"),
        ("  reverted  0001_a           5 ms", YELLOW, "reverted"),
        ("0001_a  2026-11-23 23:56:34 UTC  5 ms", "", ""),
        ("0001_a  2026-11-23 23:56:34 UTC  5 ms  changed since", YELLOW, "changed since"),
        ("0002_b  pending", YELLOW, "pending"),
        ("here: 2 applied, 1 pending: bin/migrate up", YELLOW, "1 pending: bin/migrate up"),
        ("here: 2 applied, nothing is pending", GREEN, "nothing is pending"),
        ("0002_b: safe while the application runs", GREEN, "safe while the application runs"),
        ('0002_b: drops table "a"', YELLOW, 'drops table "a"'),
        ("0002_b: drops a  <- fails the plan", RED, "0002_b: drops a  <- fails the plan"),
        ("        blocks writes on a, too", YELLOW, "blocks writes on a, too"),
        ("  0001_a                       sound", GREEN, "sound"),
        ("  0001_a                       not sound", RED, "not sound"),
        ("      table a is left behind", RED, "table a is left behind"),
        ("table a differs", RED, "table a differs"),
        ("ok: the schema is that of 0001_a", GREEN, "ok"),
        ("  waiting for another runner", YELLOW, "waiting for another runner"),
        ("  drops table a, about 5 rows", YELLOW, "drops table a, about 5 rows"),
        ("        locks a (5 rows) in SHARE mode, which blocks writes", "", ""),
        ("Serving on http://127.0.0.1:3000 (Ctrl-C stops)", "", ""),
    ],
)
def test_what_a_line_means_has_a_colour(line: str, colour: str, of: str) -> None:
    shown = screen.result(line, 200, coloured=True)

    assert shown == (line.replace(of, f"{colour}{of}\x1b[m") if of else line)


def test_a_migration_is_not_taken_for_its_state() -> None:
    line = "0001_pending  2026-11-23 23:56:34 UTC  5 ms"

    assert screen.result(line, 80, coloured=True) == line


def test_a_failure_is_red_where_it_says_what_and_where() -> None:
    text = 'a.up.sql:1:8: column "x" does not exist\n\n    SELECT x\n           ^\nIt was undone.'

    assert screen.failure(text, 80, coloured=True).split("\n") == [
        f'{RED}a.up.sql:1:8: column "x" does not exist\x1b[m',
        "",
        "    SELECT x",
        f"           {RED}^\x1b[m",
        "It was undone.",
    ]


def test_a_diff_has_the_colours_of_diffs() -> None:
    text = "a.up.sql was changed after it was applied:\n\n    -SELECT 1\n    +SELECT 2"

    shown = screen.failure(text, 80, coloured=True).split("\n")

    assert shown[2:] == [f"    {RED}-SELECT 1\x1b[m", f"    {GREEN}+SELECT 2\x1b[m"]


def test_that_nothing_was_done_is_no_alarm() -> None:
    text = "Nothing was done. The database is at 0001_a."

    assert screen.failure(text, 80, coloured=True) == text
