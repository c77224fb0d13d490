"""Files turned into migrations; everything wrong with them is said at once, with the place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from catalog.errors import FilesInvalid
from catalog.migrations.migration import Migration, Script, load_migrations, load_seed, version_of
from catalog.migrations.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Folder:
    """A folder of migrations that a test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, files: Mapping[str, str | bytes]) -> Folder:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (self.path / name).write_bytes(data)
        return self

    def load(self) -> list[Migration]:
        return load_migrations(self.path)

    def problems(self) -> list[str]:
        """Each problem as `file:line:column: problem`."""
        with pytest.raises(FilesInvalid) as refused:
            self.load()
        return [
            os.path.basename(found.path)  # noqa: PTH119
            + (
                ":{0.line}:{0.column}".format(Position.of(found.text, found.offset))
                if found.text is not None
                else ""
            )
            + f": {found.problem}"
            for found in refused.value.problems
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# --- Names and numbers


def test_migrations_are_ordered_by_number_not_by_letter(folder: Folder) -> None:
    folder.write({"10_ten.up.sql": "--", "9_nine.up.sql": "--", "0002_two.up.sql": "--"})

    assert [each.name for each in folder.load()] == ["0002_two", "9_nine", "10_ten"]


@pytest.mark.parametrize(
    "name", ["0001_a", "1_a", "20260101120000_create_x", "00001_a-b.c", "0001_größe", "0_zero"]
)
def test_a_name_is_a_number_and_words(folder: Folder, name: str) -> None:
    folder.write({f"{name}.up.sql": "--", f"{name}.down.sql": "--"})

    [migration] = folder.load()

    assert (migration.name, migration.version) == (name, version_of(name))


@pytest.mark.parametrize(
    "name",
    [
        "create_x.up.sql",
        "0001.up.sql",
        "0001_.up.sql",
        "0001-x.up.sql",
        "0001_x.sql",
        "0001_x.UP.sql",
        "0001_x y.up.sql",
        "-1_x.up.sql",
        "1.5_x.up.sql",
        "٠٠٠١_x.up.sql",
        "V1__x.sql",
        ".up.sql",
    ],
)
def test_a_file_of_any_other_name_is_a_problem(folder: Folder, name: str) -> None:
    folder.write({name: "--"})

    assert folder.problems() == [f"{name}: is not named like a migration"]


@pytest.mark.parametrize("name", ["README.md", "0002_x.up.sql~", "0002_x.up.sql.orig", ".swp"])
def test_what_does_not_end_in_sql_is_passed_over(folder: Folder, name: str) -> None:
    folder.write({"0001_x.up.sql": "--", name: "whatever \0"})

    assert [each.name for each in folder.load()] == ["0001_x"]


@pytest.mark.parametrize("other", ["0001_b", "1_b", "000001_a"])
def test_two_migrations_with_one_number_are_a_problem(folder: Folder, other: str) -> None:
    folder.write({"0001_a.up.sql": "--", f"{other}.up.sql": "--"})

    [problem] = folder.problems()

    assert "has the number of" in problem


def test_a_down_file_without_an_up_file_is_a_problem(folder: Folder) -> None:
    folder.write({"0001_a.up.sql": "--", "0001_b.down.sql": "--"})

    assert folder.problems() == ["0001_b.down.sql: has no up file beside it"]


def test_an_up_file_without_a_down_file_is_allowed(folder: Folder) -> None:
    folder.write({"0001_a.up.sql": "--"})

    [migration] = folder.load()

    assert migration.down is None


def test_an_empty_folder_is_a_problem(folder: Folder) -> None:
    assert folder.problems() == [f"{folder.path.name}: holds no migrations"]


def test_a_folder_that_is_not_there_is_a_problem(folder: Folder) -> None:
    folder.path.rmdir()

    assert folder.problems() == [f"{folder.path.name}: cannot be read: no such file or directory"]


def test_a_folder_named_like_a_migration_is_a_problem(folder: Folder) -> None:
    (folder.path / "0001_a.up.sql").mkdir()

    assert folder.problems() == ["0001_a.up.sql: cannot be read: it is not a file"]


# --- Bytes


def test_a_byte_order_mark_is_no_part_of_the_text(folder: Folder) -> None:
    folder.write({"1_a.up.sql": b"\xef\xbb\xbf-- migrate: no-transaction\nSELECT 1;"})

    [migration] = folder.load()

    assert migration.up.text.startswith("-- migrate")
    assert not migration.up.transactional


def test_a_checkout_with_other_line_ends_is_the_same_migration(folder: Folder) -> None:
    folder.write({"1_a.up.sql": "SELECT 'a\nb';\n"})
    [one] = folder.load()
    folder.write({"1_a.up.sql": "SELECT 'a\r\nb';\r\n"})
    [other] = folder.load()

    assert (one.up, one.checksum) == (other.up, other.checksum)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"-- ok\nSELECT '\xe9';", "cannot be read: line 2 is not UTF-8"),
        ("-- ü".encode("utf-16"), "cannot be read: line 1 is not UTF-8"),
        (b"-- ok\n\nSELECT '\0';", "cannot be read: line 3 holds a NUL byte"),
        (b"", "is empty"),
        (b" \n\t\r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
    ],
)
def test_a_file_without_a_text_for_postgres_is_a_problem(
    folder: Folder, content: bytes, said: str
) -> None:
    folder.write({"1_a.up.sql": content})

    [problem] = folder.problems()

    assert problem == f"1_a.up.sql: {said}"


def test_an_empty_down_file_takes_nothing_back(folder: Folder) -> None:
    folder.write({"1_a.up.sql": "SELECT 1;", "1_a.down.sql": ""})

    [migration] = folder.load()

    assert migration.down
    assert migration.down.is_empty


def test_a_file_of_comments_alone_is_meant_so(folder: Folder) -> None:
    folder.write({"1_a.up.sql": "-- Nothing is to be done any more.\n"})

    [migration] = folder.load()

    assert migration.up.statements == []


def test_all_problems_of_all_files_are_said_at_once(folder: Folder) -> None:
    folder.write(
        {
            "0001_a.up.sql": "BEGIN;\nSELECT 1;",
            "0001_b.up.sql": "SELECT 1;\n  ROLLBACK; COMMIT;",
            "0002_c.down.sql": "ABORT",
            "0003_d.up.sql": b"\xff",
            "notes.sql": "--",
        }
    )

    assert sorted(folder.problems()) == [
        "0001_a.up.sql:1:1: has its own BEGIN",
        f"0001_b.up.sql: has the number of {folder.path / '0001_a.up.sql'}",
        "0001_b.up.sql:2:13: has its own COMMIT",
        "0001_b.up.sql:2:3: has its own ROLLBACK",
        "0002_c.down.sql: has no up file beside it",
        "0002_c.down.sql:1:1: has its own ABORT",
        "0003_d.up.sql: cannot be read: line 1 is not UTF-8",
        "notes.sql: is not named like a migration",
    ]


# --- Contents


def problems_of(sql: str) -> list[str]:
    return [
        "{0.line}:{0.column} {1}".format(Position.of(found.text, found.offset), found.problem)
        for found in Script("x.up.sql", sql).problems()
        if found.text is not None
    ]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("BEGIN; SELECT 1;", "1:1 has its own BEGIN"),
        ("SELECT 1;\n\tbegin work;", "2:2 has its own BEGIN"),
        ("SELECT 1;\nStart /* x */ Transaction read only;", "2:1 has its own START"),
        ("SELECT 1; /* é */ COMMIT;", "1:19 has its own COMMIT"),
        ("SELECT 1; COMMIT AND CHAIN;", "1:11 has its own COMMIT"),
        ("SELECT 1; COMMIT PREPARED 'x';", "1:11 has its own COMMIT"),
        ("END;", "1:1 has its own END"),
        ("-- c\nROLLBACK", "2:1 has its own ROLLBACK"),
        ("ROLLBACK TO SAVEPOINT a;", "1:1 has its own ROLLBACK"),
        ("ABORT;", "1:1 has its own ABORT"),
        ("SAVEPOINT a;", "1:1 has its own SAVEPOINT"),
        ("RELEASE a;", "1:1 has its own RELEASE"),
        ("PREPARE TRANSACTION 'x';", "1:1 has its own PREPARE"),
        ("SELECT 1;\nCOPY t FROM STDIN;", "2:1 copies from STDIN, which has no data here"),
        ("COPY t FROM STDOUT;", "1:1 copies from STDIN"),
        ("COPY t TO STDIN;", "1:1 copies from STDIN"),
        ("-- migrate: lock_timeout=99999999999h", "1:13 has an unknown directive"),
        ("-- migrate: lock_timeout=597h", "1:13 has an unknown directive"),
        ("copy t (a, b) from stdin with (format csv);", "1:1 copies from STDIN, which"),
        ("\\set ON_ERROR_STOP on\nSELECT 1;", "1:1 has a psql command"),
        ("SELECT 1;\n  \\i other.sql", "2:3 has a psql command"),
        ("SELECT 1 \\gset", "1:10 has a psql command"),
        ("COPY t FROM STDIN;\n1\tx\n\\.\n", "1:1 copies from STDIN"),
    ],
)
def test_what_cannot_run_in_a_migration_is_refused_with_its_place(sql: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in problems_of(sql)), problems_of(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'BEGIN; COMMIT;';",
        "-- COMMIT;\n/* ROLLBACK; \\i x */ SELECT 1;",
        "DO $$ BEGIN PERFORM 1; END $$;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN RETURN 1; END; $x$;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
        'SELECT 1 AS "COMMIT";',
        "SELECT E'\\\\i';",
        "SELECT '\\.';",
        "PREPARE p AS SELECT 1;",
        'CREATE TABLE commit ("begin" int);',
        "COPY t FROM '/tmp/x';",
        "SELECT 1 AS stdin;",
        "SET TRANSACTION READ ONLY;",
        "-- migrating: nothing special\nSELECT 1;",
        "SELECT 1;\n-- migrate: not on the first line\n",
    ],
)
def test_what_only_looks_like_that_is_allowed(sql: str) -> None:
    assert problems_of(sql) == []


@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "SAVEPOINT"])
def test_without_a_transaction_a_file_cannot_make_its_own_either(word: str) -> None:
    # Every statement of it is a transaction with its entry in the journal.
    found = problems_of(f"-- migrate: no-transaction\n{word} a;")

    assert found == [f"2:1 has its own {word}"]


@pytest.mark.parametrize("sql", ["COPY t FROM STDIN;", "\\i x"])
def test_even_without_a_transaction_some_things_are_refused(sql: str) -> None:
    assert len(problems_of(f"-- migrate: no-transaction\n{sql}")) == 1


@pytest.mark.parametrize(
    ("first_line", "transactional"),
    [
        ("-- migrate: no-transaction", False),
        ("--migrate:no-transaction  ", False),
        ("--   migrate:   no-transaction", False),
        ("-- Why: CONCURRENTLY", True),
        ("-- no-transaction", False),  # sqlx says it so
        ("-- no transaction", True),
        ("/* migrate: no-transaction */", True),
        ("/*\n-- migrate: no-transaction\n*/", True),
        ("/* A licence,\n   in a block. */\n\n-- migrate: no-transaction", False),
        ("-- Why, and /* no block\n-- migrate: no-transaction", False),
    ],
)
def test_the_first_line_may_refuse_a_transaction(first_line: str, transactional: bool) -> None:
    assert Script("x.up.sql", f"{first_line}\nSELECT 1;").transactional is transactional


@pytest.mark.parametrize("word", ["no-transactions", "fast"])
def test_an_unknown_directive_is_refused(word: str) -> None:
    [problem] = problems_of(f"-- migrate: {word}\nSELECT 1;")

    assert problem.startswith("1:")
    assert word in problem


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELECT 1;\n-- migrate: no-transaction\nSELECT 2;", "2:1"),
        ("SELECT 1;\n  -- migrate: lock_timeout=1s", "2:3"),
        ("SELECT\n-- migrate: no-transaction\n1;", "2:1"),
        ("BEGIN;\n-- migrate: lock_timeout=1s\nSELECT 1;\nCOMMIT;", "2:1"),
    ],
)
def test_a_directive_below_the_first_statement_is_refused(text: str, place: str) -> None:
    assert problems_of(text) == [
        f"{place} has a directive below its first statement, where it says nothing"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '\n-- migrate: no-transaction\n';",
        "SELECT 1; /*\n-- migrate: no-transaction\n*/",
        "DO $$\n-- migrate: no-transaction\n$$;",
        "SELECT 1; -- migrate: no-transaction",
        "SELECT 1;\n-- no-transaction",
    ],
)
def test_what_only_looks_like_a_directive_is_let_be(text: str) -> None:
    assert problems_of(text) == []


# --- BEGIN … COMMIT around a whole file


@pytest.mark.parametrize(
    ("begin", "commit"),
    [
        ("BEGIN", "COMMIT"),
        ("begin transaction", "commit work"),
        ("START TRANSACTION", "END"),
        ("BEGIN WORK", "COMMIT TRANSACTION"),
    ],
)
def test_begin_and_commit_around_a_file_are_taken_for_ours(begin: str, commit: str) -> None:
    text = f"-- why\n{begin};\nSELECT 1;\nSELECT 2;\n{commit};\n"
    script = Script("x.up.sql", text)

    assert list(script.problems()) == []
    assert [statement.text for statement in script.statements] == ["SELECT 1", "SELECT 2"]


def test_the_body_keeps_every_place_where_it_is_in_the_file() -> None:
    text = "-- why\nBEGIN;\nSELECT 1;\nCOMMIT;\n"

    body = Script("x.up.sql", text).body

    assert body == "-- why\n     ;\nSELECT 1;\n      ;\n"
    assert len(body) == len(text)


def test_a_file_without_a_wrapper_is_its_own_body() -> None:
    assert Script("x.up.sql", "SELECT 1;").body == "SELECT 1;"


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; SELECT 1; COMMIT; SELECT 2;",
        "SELECT 1; BEGIN; SELECT 2; COMMIT;",
        "BEGIN; SELECT 1; ROLLBACK;",
        "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;",
        "BEGIN; SELECT 1; COMMIT AND CHAIN;",
        "BEGIN; SAVEPOINT a; COMMIT;",
        "BEGIN;",
    ],
)
def test_anything_else_about_transactions_is_refused(sql: str) -> None:
    assert problems_of(sql)


# --- Checksums


def test_comments_do_not_change_a_checksum_and_statements_do() -> None:
    def checksum(sql: str) -> str:
        return Migration("1_a", 1, Script("1_a.up.sql", sql)).checksum

    assert checksum("SELECT 1;") == checksum("-- better words\nSELECT  1; -- x\n")
    assert checksum("SELECT 1;") != checksum("SELECT 2;")


def test_the_down_script_is_no_part_of_the_checksum() -> None:
    up = Script("1_a.up.sql", "SELECT 1;")

    assert Migration("1_a", 1, up).checksum == Migration("1_a", 1, up, up).checksum


# --- Scripts of data


def test_a_script_for_psql_may_stop_on_errors(tmp_path: Path) -> None:
    file = tmp_path / "seed.sql"
    file.write_text("\\set ON_ERROR_STOP on\nBEGIN;\nSELECT 1;\nCOMMIT;\n")

    script = load_seed(file)

    assert list(script.problems()) == []
    assert [statement.text for statement in script.statements] == ["SELECT 1"]
    assert script.text.index("BEGIN") == file.read_text().index("BEGIN")


def test_any_other_psql_command_in_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "seed.sql"
    file.write_text("\\set x 1\nSELECT 1;\n")

    assert [found.problem for found in load_seed(file).problems()] == [
        "has a psql command, which only psql knows"
    ]


@pytest.mark.parametrize("content", [None, b"\xff", b"a\0b"])
def test_a_script_that_cannot_be_read_is_a_problem(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "seed.sql"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(FilesInvalid) as refused:
        load_seed(file)

    [problem] = refused.value.problems
    assert problem.problem.startswith("cannot be read: ")
    assert problem.advice == "name another file"


def test_paths_are_shown_from_the_current_folder(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write({"1_a.up.sql": "--"})
    monkeypatch.chdir(folder.path.parent)

    [migration] = folder.load()

    assert migration.up.path == f"{folder.path.name}/1_a.up.sql"


def test_a_folder_elsewhere_is_shown_with_its_whole_path(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.path / "here").mkdir()
    folder.write({"1_a.up.sql": "--"})
    monkeypatch.chdir(folder.path / "here")

    [migration] = folder.load()

    assert migration.up.path == str(folder.path / "1_a.up.sql")


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT 'it's';", "1:13 has a quote without an end"),
        ('SELECT "x;', "1:8 has a quote without an end"),
        ("SELECT 1; /* a /* b */", "1:11 has a comment without an end"),
        ("SELECT 1;\nDO $body$ BEGIN END $Body$;", "2:4 has a $body$ without an end"),
        ("DO $$ BEGIN END;", "1:4 has a $$ without an end"),
    ],
)
def test_what_was_not_closed_is_named_with_its_place(sql: str, problem: str) -> None:
    assert problems_of(sql) == [problem]
