"""Packages from npm, installed once for all workers of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from tests.whole.guides import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def installed(source: Path, factory: pytest.TempPathFactory) -> Path:
    """A copy of that folder with the packages that its lock names."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    copy = folder / f"npm-{source.name}"
    with copy.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            install(source, copy)
    return copy


def install(source: Path, copy: Path) -> None:
    """Make that copy, whole or not at all."""
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    shutil.copytree(source, unfinished, ignore=shutil.ignore_patterns("node_modules"))
    run(["npm", "ci", "--no-audit", "--no-fund"], unfinished)
    unfinished.rename(copy)
