"""What is asked of the code itself: the tools agree, and imports point one way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "catalog").rglob("*.py"))

# What each part may import beside itself. The runner and the API know nothing of each other, and
# only `serve` knows both.
MAY_IMPORT = {
    "__init__": set[str](),
    "errors": set[str](),
    "settings": {"errors"},
    "database": {"errors", "settings"},
    "embedded": {"errors", "settings"},
    "psql": {"errors", "settings", "database", "embedded"},
    "migrations": {"errors", "settings", "database", "embedded"},
    "api": {"errors", "settings", "database"},
    "writing": set(),
    "http": {"api", "writing"},
    "sockets": {"errors"},
    "serve": {
        *("errors", "settings", "database", "embedded", "migrations", "api", "http", "sockets"),
    },
}
# These decide, and leave doing to the others.
PURE = {
    *("migration", "scanner", "position", "plan"),
    *("foresight.look", "foresight.locking", "foresight.facts", "foresight.compare"),
    *("foresight.hazards", "foresight.advice", "foresight.sizes"),
}


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]],
    ids=" ".join,
)
def test_nothing_to_say_for(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_one_way(module: Path) -> None:
    part = module.parts[1].removesuffix(".py")
    imported = {name.split(".")[1] for name in imports(module) if name.startswith("catalog.")}

    assert imported <= MAY_IMPORT[part] | {part}


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_only_decides_holds_no_connection(name: str) -> None:
    allowed = ("catalog.errors", *(f"catalog.migrations.{other}" for other in PURE))
    imported = imports(Path(f"catalog/migrations/{name.replace('.', '/')}.py"))

    assert not [
        module
        for module in imported
        if module.split(".")[0] not in sys.stdlib_module_names and not module.startswith(allowed)
    ]


RUNNER = [module for module in MODULES if module.parts[1:2] == ("migrations",)]


@pytest.mark.parametrize(
    "module", [module for module in RUNNER if "foresight" not in module.parts], ids=str
)
def test_the_runner_knows_nothing_of_foresight(module: Path) -> None:
    imported = [name for name in imports(module) if name.startswith("catalog.migrations.foresight")]

    # The command line stands above both, and passes its commands on.
    assert imported == (["catalog.migrations.foresight.commands"] if module.stem == "cli" else [])


@pytest.mark.parametrize(
    "name",
    [
        *("conditional", "parameters", "queries"),
        *("reading", "batching", "lists", "statements", "streaming"),
    ],
)
def test_what_the_api_decides_and_reads_knows_nothing_of_the_framework(name: str) -> None:
    imported = imports(Path(f"catalog/api/{name}.py"))

    assert not [module for module in imported if module.startswith(("starlette", "uvicorn"))]


@pytest.mark.parametrize("module", [path for path in MODULES if "api" in path.parts], ids=str)
def test_the_sql_of_the_api_stands_in_queries(module: Path) -> None:
    statements = [text for text in strings(module) if re.match(r"\s*(SELECT|INSERT|WITH) ", text)]

    assert not statements or module.name == "queries.py"


def imports(module: Path) -> Iterator[str]:
    """Yield the full name of everything that a module imports, also for its types alone."""
    for node in ast.walk(ast.parse((ROOT / module).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import hides where it leads"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def strings(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / module).read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
