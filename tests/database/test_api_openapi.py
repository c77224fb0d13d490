"""The description of the service, held against the service."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from catalog.api.app import create_app
from catalog.api.page import FILES, PAGE
from catalog.settings import ROOT
from tests.odd_values import TEXTS, TIMES
from tests.serving import insert, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = ROOT / "catalog/api/openapi.json"
DESCRIPTION: dict[str, Any] = json.loads(FILE.read_bytes())


def test_it_is_served_as_it_is_in_the_file(catalog_database: str) -> None:
    with served(catalog_database) as client:
        answer = client.get("/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == FILE.read_bytes()


def test_it_describes_every_address_and_its_methods() -> None:
    addresses = [route.path for route in create_app("").routes if isinstance(route, Route)]

    assert sorted(DESCRIPTION["paths"]) == sorted(addresses)
    for path in DESCRIPTION["paths"].values():
        assert set(path) - {"parameters"} == {"get", "head", "options"}
        assert path["get"]["responses"] == path["head"]["responses"]
        assert path["get"].get("parameters") == path["head"].get("parameters")


def test_it_names_every_file_of_the_page() -> None:
    names = DESCRIPTION["components"]["parameters"]["FileName"]["schema"]["enum"]

    assert set(names) == set(FILES) - {PAGE}


def test_its_references_lead_somewhere_and_nothing_is_left_over() -> None:
    parts = DESCRIPTION["components"]
    there = {f"#/components/{kind}/{name}" for kind in parts for name in parts[kind]}

    # No operation is answered so: they are the methods that an address has.
    assert set(references(DESCRIPTION)) == there - {"#/components/responses/MethodNotAllowed"}


@pytest.mark.slow
def test_schemathesis_finds_nothing(catalog_database: str, tmp_path: Path) -> None:
    """It sends what the description allows, and what it does not, and looks at every answer."""
    insert(catalog_database, "Authors", *({"name": text, "bio": text} for text in TEXTS))
    times = [{"createdAt": time, "updatedAt": time} for time in TIMES]
    insert(catalog_database, "Authors", *times)
    insert(catalog_database, "Books", *({"title": "A", "authorId": 1, **row} for row in times))

    with served(catalog_database) as client:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", "--checks", "all"),
                *("--max-examples", "100", "--continue-on-failure", "--no-color"),
                str(client.base_url.join("/openapi.json")),
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout
    assert "Tested: 26" in done.stdout


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
