"""Packages from npm, installed once for all workers of a run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.whole.guides import run
from tests.whole.sharing import shared

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def installed(source: Path, factory: pytest.TempPathFactory) -> Path:
    """A copy of that folder with the packages that its lock names."""
    with shared(f"npm-{source.name}", factory) as copy:
        if not copy.exists():
            install(source, copy)
    return copy


def install(source: Path, copy: Path) -> None:
    """Make that copy, whole or not at all."""
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns("node_modules"))
    run(["npm", "ci", "--no-audit", "--no-fund"], unfinished)
    unfinished.rename(copy)
