"""What `docs/comparison.md` says of us is held by tests that exist; the README says the same."""

from __future__ import annotations

import re

import pytest

from catalog.settings import ROOT

DOCUMENT = (ROOT / "docs/comparison.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.splitlines()
    if line.startswith("|")
]
HELD = [cells[-1].strip("`") for cells in ROWS[2:]]


@pytest.mark.parametrize("test", HELD)
def test_each_row_is_held_by_a_test_that_there_is(test: str) -> None:
    path, _, name = test.partition("::")

    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_the_readme_has_the_same_cells() -> None:
    readme = (ROOT / "README.md").read_text()
    short = [line for line in readme.splitlines() if line.startswith("| ")]
    first = next(at for at, line in enumerate(short) if "sequelize-cli" in line)
    rows = [line.strip("|").split("|") for line in short[first + 1 :][:8]]

    known = {cells[0]: cells[1:-1] for cells in ROWS}
    for cells in rows:
        name, *said = (re.sub(r" ?\[\d\]", "", cell.strip()) for cell in cells)
        assert said == [re.sub(r" ?\[\d\]", "", cell) for cell in known[name]], name
