"""`bin/migrate new`: names, numbers, and whole tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.errors import NewMigrationRefused
from catalog.migrations.migration import load_migrations
from catalog.migrations.new import TYPES, write_new

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_first_pair_is_number_one(tmp_path: Path) -> None:
    assert write_new(tmp_path, "create_authors", []) == [
        tmp_path / "0001_create_authors.up.sql",
        tmp_path / "0001_create_authors.down.sql",
    ]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["0001_a.up.sql"], "0002"),
        (["0001_a.up.sql", "0009_b.up.sql", "0009_b.down.sql"], "0010"),
        (["9_a.up.sql"], "10"),
        (["0099_a.up.sql", "7_b.up.sql"], "0100"),
        (["9999_a.up.sql"], "10000"),
        (["README.md", "0003_x.sql.bak"], "0004"),
    ],
)
def test_the_number_is_one_more_than_the_highest(
    tmp_path: Path, there: list[str], expected: str
) -> None:
    for name in there:
        (tmp_path / name).touch()

    [up, _] = write_new(tmp_path, "next", [])

    assert up.name == f"{expected}_next.up.sql"


def test_after_a_timestamp_comes_the_time_it_is_now(tmp_path: Path) -> None:
    (tmp_path / "20200101000000_a.up.sql").touch()

    [up, _] = write_new(tmp_path, "next", [])

    assert "20260101000000" < up.name.partition("_")[0] < "99990101000000"


def test_after_a_timestamp_in_the_future_comes_the_one_after_it(tmp_path: Path) -> None:
    (tmp_path / "99990101000000_a.up.sql").touch()

    [up, _] = write_new(tmp_path, "next", [])

    assert up.name == "99990101000001_next.up.sql"


def test_blanks_in_a_name_become_underscores(tmp_path: Path) -> None:
    [up, _] = write_new(tmp_path, " add  an index ", [])

    assert up.name == "0001_add_an_index.up.sql"


@pytest.mark.parametrize(
    "name", ["", "  ", "../evil", "a/b", "a\\b", "a;b", 'a"b', "a.up", "x.down", "x.sql", "a\nb/"]
)
def test_a_name_that_no_file_should_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NewMigrationRefused):
        write_new(tmp_path, name, [])

    assert names(tmp_path) == []


@pytest.mark.parametrize("columns", [[], ["name:string"]])
def test_what_it_writes_is_in_order_for_the_runner(tmp_path: Path, columns: list[str]) -> None:
    write_new(tmp_path, "create_publishers", columns)

    [migration] = load_migrations(tmp_path)

    assert migration.down
    # The first line says why.
    assert migration.up.text.startswith("-- ")
    assert migration.down.text.startswith("-- ")


def test_columns_make_a_whole_table(tmp_path: Path) -> None:
    up, down = write_new(tmp_path, "create_publishers", ["name:string", "city:text!"])

    assert up.read_text().partition("\n\n")[2] == (
        'CREATE TABLE "Publishers" (\n'
        "    id           serial PRIMARY KEY,\n"
        '    "name"       varchar(255),\n'
        '    "city"       text NOT NULL,\n'
        '    "createdAt"  timestamptz NOT NULL DEFAULT now(),\n'
        '    "updatedAt"  timestamptz NOT NULL DEFAULT now()\n'
        ");\n"
    )
    assert down.read_text().partition("\n\n")[2] == 'DROP TABLE "Publishers";\n'


def test_a_table_of_several_words_is_called_as_sequelize_calls_it(tmp_path: Path) -> None:
    up, _ = write_new(tmp_path, "create_book_reviews", ["stars:integer"])

    assert 'CREATE TABLE "BookReviews"' in up.read_text()


def test_the_types_are_those_of_sequelize() -> None:
    assert sorted(TYPES) == [
        "bigint",
        "boolean",
        "date",
        "dateonly",
        "decimal",
        "double",
        "float",
        "integer",
        "json",
        "jsonb",
        "string",
        "text",
        "uuid",
    ]


def test_a_type_may_be_written_in_any_case(tmp_path: Path) -> None:
    up, _ = write_new(tmp_path, "create_x", ["born:dateOnly"])

    assert '"born"       date' in up.read_text()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["name:strnig"], '"name:strnig" has an unknown type; the types are string, text,'),
        (["name:varchar(10)"], "is not a column"),
        (["name"], "is not a column"),
        (["name:"], "is not a column"),
        ([":string"], "is not a column"),
        (["a b:string"], "is not a column"),
        (['a"b:string'], "is not a column"),
        (["name:string!!"], "is not a column"),
        (["1st:string"], "is not a column"),
        ([f"{'x' * 64}:string"], "is not a column"),
        (["name:string", "name:text"], 'there is a column "name" already'),
        (["id:integer"], 'there is a column "id" already'),
        (["createdAt:date"], 'there is a column "createdAt" already'),
    ],
)
def test_a_column_that_cannot_be_used_is_one_clear_error_and_no_file(
    tmp_path: Path, columns: list[str], said: str
) -> None:
    with pytest.raises(NewMigrationRefused) as refused:
        write_new(tmp_path, "create_publishers", columns)

    assert said in str(refused.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["publishers", "create", "create_", "add_city", "create_1st"])
def test_columns_need_a_name_with_a_table_in_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(NewMigrationRefused, match="no table can be made"):
        write_new(tmp_path, name, ["name:string"])

    assert names(tmp_path) == []


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NewMigrationRefused, match="no such file or directory; make the folder"):
        write_new(tmp_path / "nowhere", "x", [])


def test_a_file_in_place_of_the_folder_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(NewMigrationRefused, match="not a directory"):
        write_new(file, "x", [])
