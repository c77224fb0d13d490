"""What tests of the commands share: copies of the tree, and servers that ask for a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.embedded import embedded_bindir
from tests.whole.guides import GUIDE
from tests.whole.npm import installed
from tests.whole.projects import Project
from tests.whole.servers import Address, password_server
from tests.whole.trees import Tree, copied_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


@pytest.fixture(scope="session")
def tree() -> Iterator[Tree]:
    """A copy of the working tree for all tests of a worker; they leave its files as they are."""
    with copied_tree() as tree:
        yield tree


@pytest.fixture
def own_tree() -> Iterator[Tree]:
    """A copy of the working tree for one test."""
    with copied_tree() as tree:
        yield tree


@pytest.fixture
def project(tree: Tree, database: str, tmp_path: Path) -> Project:
    """An empty folder of migrations, and an empty database."""
    return Project(tree, database, tmp_path)


@pytest.fixture(scope="session")
def guarded() -> Iterator[Address]:
    """A server that asks for a password, on a port of 127.0.0.1."""
    with password_server(embedded_bindir(), initdb_options=_LOCALE) as (_, address):
        yield address


@pytest.fixture(scope="session")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's application with its packages."""
    return installed(GUIDE, tmp_path_factory)
