"""What is to be done: files and ledger side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from catalog.errors import UnknownVersion
from catalog.migrations.migration import Migration, Script, version_of
from catalog.migrations.plan import Applied, History

if TYPE_CHECKING:
    from collections.abc import Callable


def migration(name: str) -> Migration:
    return Migration(name, version_of(name), Script(f"{name}.up.sql", f"SELECT '{name}';"))


def applied(name: str, position: int) -> Applied:
    return Applied(
        name=name,
        position=position,
        applied_at=datetime(2026, 1, position, tzinfo=UTC),
        duration_ms=1.0,
        checksum=migration(name).checksum,
    )


def history(files: str, rows: str) -> History:
    """A history from the names of files and of rows, the rows in the order of application."""
    return History(
        [migration(name) for name in sorted(files.split(), key=version_of)],
        [applied(name, number) for number, name in enumerate(rows.split(), start=1)],
    )


FOUR = "0001_a 0002_b 0003_c 0004_d"


def up(found: History, **options: int | str | None) -> str:
    return " ".join(each.name for each in found.to_apply(**options))  # type: ignore[arg-type]


def down(found: History, **options: int | str | None) -> str:
    return " ".join(row.name for row in found.to_revert(**options))  # type: ignore[arg-type]


# --- What is pending


def test_without_rows_all_files_are_pending_and_the_database_is_nowhere() -> None:
    found = history(FOUR, "")

    assert [each.name for each in found.pending] == FOUR.split()
    assert found.newest is None


def test_what_is_applied_is_not_pending() -> None:
    found = history(FOUR, "0001_a 0002_b")

    assert [each.name for each in found.pending] == ["0003_c", "0004_d"]
    assert found.newest == "0002_b"


def test_a_file_numbered_below_the_newest_applied_one_is_pending_too() -> None:
    assert up(history(FOUR, "0001_a 0003_c")) == "0002_b 0004_d"


def test_a_row_without_a_file_is_missing() -> None:
    found = history("0001_a", "0001_a 0002_gone")

    assert [row.name for row in found.missing] == ["0002_gone"]
    assert found.pending == []


def test_the_newest_is_what_was_applied_last_not_what_has_the_highest_number() -> None:
    assert history(FOUR, "0001_a 0003_c 0002_b").newest == "0002_b"


# --- up


@pytest.mark.parametrize(
    ("rows", "options", "expected"),
    [
        ("", {}, FOUR),
        ("0001_a", {}, "0002_b 0003_c 0004_d"),
        ("", {"count": 1}, "0001_a"),
        ("0001_a", {"count": 2}, "0002_b 0003_c"),
        ("0001_a", {"count": 99}, "0002_b 0003_c 0004_d"),
        (FOUR, {}, ""),
        ("", {"to": "0002"}, "0001_a 0002_b"),
        ("", {"to": "2"}, "0001_a 0002_b"),
        ("", {"to": "00002"}, "0001_a 0002_b"),
        ("", {"to": "0002_b"}, "0001_a 0002_b"),
        ("0001_a 0002_b", {"to": "0002"}, ""),
        ("0001_a 0002_b 0003_c", {"to": "0002"}, ""),
    ],
)
def test_up_chooses_from_what_is_pending(
    rows: str, options: dict[str, int | str], expected: str
) -> None:
    assert up(history(FOUR, rows), **options) == expected


def test_versions_are_numbers_and_not_texts() -> None:
    assert up(history("9_a 10_b 100_c", ""), to="10") == "9_a 10_b"


# --- down


@pytest.mark.parametrize(
    ("rows", "options", "expected"),
    [
        (FOUR, {}, "0004_d"),
        (FOUR, {"count": 2}, "0004_d 0003_c"),
        (FOUR, {"count": 99}, "0004_d 0003_c 0002_b 0001_a"),
        (FOUR, {"count": None}, "0004_d 0003_c 0002_b 0001_a"),
        (FOUR, {"to": "0002"}, "0004_d 0003_c"),
        (FOUR, {"to": "2"}, "0004_d 0003_c"),
        (FOUR, {"to": "0002_b"}, "0004_d 0003_c"),
        (FOUR, {"to": "0004"}, ""),
        ("", {}, ""),
        ("", {"count": None}, ""),
        ("", {"to": "0002"}, ""),
        ("0001_a", {"to": "0002"}, ""),
        # Not applied itself: what has a higher number goes.
        ("0001_a 0003_c 0004_d", {"to": "0002"}, "0004_d 0003_c"),
        # What was applied after the one that stays goes, whatever its number.
        ("0001_a 0003_c 0002_b", {"to": "0003"}, "0002_b"),
        ("0001_a 0003_c 0002_b", {}, "0002_b"),
    ],
)
def test_down_takes_the_newest_first(
    rows: str, options: dict[str, int | str | None], expected: str
) -> None:
    assert down(history(FOUR, rows), **options) == expected


def test_down_knows_rows_whose_files_are_gone() -> None:
    found = history("0001_a", "0001_a 0002_gone 0003_gone")

    assert down(found) == "0003_gone"
    assert down(found, to="0002") == "0003_gone"
    assert down(found, to="0002_gone") == "0003_gone"


# --- Versions that are none


@pytest.mark.parametrize("choose", [up, down])
@pytest.mark.parametrize(
    "wanted",
    ["0005", "5", "0", "", " ", "0002_", "0002_c", "b", "_b", "-2", "2.0", "٢", "²", "0002_B"],
)
def test_a_version_that_is_not_there_is_an_error(choose: Callable[..., str], wanted: str) -> None:
    with pytest.raises(UnknownVersion) as refused:
        choose(history(FOUR, "0001_a"), to=wanted)

    assert refused.value.version == wanted
    assert list(refused.value.known) == FOUR.split()


def test_a_version_known_from_a_row_alone_cannot_be_applied() -> None:
    with pytest.raises(UnknownVersion):
        up(history("0001_a", "0001_a 0002_gone"), to="0002")


def test_a_name_begins_with_its_version() -> None:
    assert version_of("20260101120000_create_x") == 20260101120000
    with pytest.raises(ValueError, match="invalid literal"):
        version_of("create_x")
