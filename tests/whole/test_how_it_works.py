"""What `docs/how-it-works.md` says and draws, held against the code and the wire."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from catalog.api import batching, lists, reading, streaming
from catalog.migrations import journal, ledger, preamble, together, watch
from catalog.settings import ROOT
from tests.whole.proxy import Proxy

if TYPE_CHECKING:
    from tests.whole.projects import Project

DOCUMENT = (ROOT / "docs/how-it-works.md").read_text()
PICTURES = re.findall(r"^```mermaid\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def section(heading: str) -> str:
    return re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)[
        [*re.findall(r"^## (.*)$", DOCUMENT, re.MULTILINE)].index(heading) + 1
    ]


def test_the_pictures_are_mermaid() -> None:
    assert [picture.split()[0] for picture in PICTURES] == [
        "flowchart",
        "sequenceDiagram",
        "sequenceDiagram",
    ]
    # There a semicolon ends a line, and what follows is an error.
    assert not [picture for picture in PICTURES[1:] if ";" in picture]


def test_the_modules_that_are_drawn_are_there() -> None:
    named = re.findall(r'\["(\w+(?:, \w+)*)<br>', PICTURES[0])

    assert len(named) >= 8
    for module in ", ".join(named).split(", "):
        found = [*ROOT.glob(f"catalog/*/{module}.py"), *ROOT.glob(f"catalog/*/{module}/")]
        assert found, module


def test_the_columns_of_both_tables_are_told() -> None:
    first_cells = re.findall(r"^\| (`.*?) \|", section("The ledger"), re.MULTILINE)
    told = re.findall(r"`(\w+)`", " ".join(first_cells))

    of_journal = re.findall(r"^ {8}(\w+) +\w+(?:\[\])? NOT NULL", journal._CREATE, re.MULTILINE)
    of_ledger = [column.partition(" ")[0] for column in ledger._COLUMNS]
    assert sorted(told) == sorted([*of_ledger, *of_journal])


@pytest.mark.parametrize(
    ("words", "true"),
    [
        ("batches grow, to 100 keys", batching.MOST_KEYS == 100),
        ("Ten batches may be under way", batching.MOST_BATCHES == 10),
        ("goes after 2 ms", batching.PACE == 0.002),
        ("or with 24 keys", batching.ENOUGH == 24),
        ("of more than 256 KB", lists.BUFFERED == 256 * 1024),
        ("in blocks of 64 KB", lists._BLOCK == 64 * 1024),
        ("Eight at once may be; two", streaming.MOST_STREAMS == 8 == reading._POOL_SIZE - 2),
        ("pool of up to 10 connections", reading._POOL_SIZE == 10),
        ("for up to five seconds", reading.REQUEST_TIMEOUT == 5),
        ("ends after `lock_timeout` (2 s)", preamble.LOCK_TIMEOUT == "2s"),
        ("Fifty pending migrations", together._MOST == 50),
        ("After half a second a third connection", watch.FIRST_LOOK == 0.5),
    ],
)
def test_its_numbers_are_those_of_the_code(words: str, true: bool) -> None:
    assert words in " ".join(DOCUMENT.split())
    assert true


def test_up_goes_over_the_wire_as_it_is_drawn(project: Project, database: str) -> None:
    project.write({"0000_first.up.sql": "SELECT 1;"})
    project.succeed("up")
    project.write(
        {f"{number:04}_t.up.sql": f"CREATE TABLE t{number} ();" for number in range(1, 51)}
    )
    drawn = re.findall(r"^ +R->>\w: (.*)$", PICTURES[1], re.MULTILINE)

    with Proxy(database) as proxy:
        through = replace(project, database=proxy.conninfo)
        through.succeed("up")
        sent = [trip.text for trip in proxy.trips]
        assert proxy.connections == 2
        through.succeed("up")
        assert len(proxy.trips) - len(sent) == 2

    assert len(project.applied) == 51
    assert len(sent) == len(drawn) == 5
    for text, label in zip(sent, drawn, strict=True):
        words = re.findall(r"\b(?:[A-Z]{4,}|\w*_\w+)\b", label)
        assert words
        assert not [word for word in words if word not in text], label
    assert sent[-1].count("COMMIT;") == 50
