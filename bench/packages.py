"""The packages of others, under `bench/.cache`: installed on first use, as their locks say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench.progress import say
from catalog.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CACHE = ROOT / "bench/.cache"
PEERS = ROOT / "bench/peers"
SOURCES = (ROOT / "tests/whole/sequelize", *sorted(PEERS.iterdir()))
"""The folders of those we are measured against."""

_IGNORED = shutil.ignore_patterns("node_modules", "__pycache__")
_INSTALL = {
    "package-lock.json": [["npm", "ci", "--no-audit", "--no-fund"]],
    "requirements.lock": [
        [sys.executable, "-m", "venv", "venv"],
        ["venv/bin/pip", "install", "-q", "--require-hashes", "-r", "requirements.lock"],
    ],
}


def installed(source: Path) -> Path:
    """A copy of that folder, with the packages that its lock names.

    Those of Python are in `venv`, those of npm in `node_modules`.
    """
    folder = CACHE / source.name
    [lock] = (source / name for name in _INSTALL if (source / name).exists())
    stamp = folder / "installed.lock"
    is_new = not stamp.exists() or stamp.read_bytes() != lock.read_bytes()
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=_IGNORED)
    if is_new:
        say(f"setting up {source.name}")
        stamp.unlink(missing_ok=True)
        for command in _INSTALL[lock.name]:
            subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
        shutil.copy(lock, stamp)
    return folder
