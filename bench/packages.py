"""The packages of others, under `bench/.cache`: installed on first use, as their locks say."""

from __future__ import annotations

import json
import re
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
SEQUELIZE = ROOT / "tests/whole/sequelize"
"""The guide's application and its migrations, with which the tests work, too."""
SOURCES = (SEQUELIZE, *sorted(PEERS.iterdir()))
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
            if subprocess.run(command, cwd=folder, check=False, stdout=sys.stderr).returncode:
                sys.exit(f"setting up {source.name} failed, see above; bench/run tries it again")
        shutil.copy(lock, stamp)
    return folder


def versions(source: Path) -> str:
    """What that folder asks for itself, in the versions that its lock has."""
    if (source / "package.json").exists():
        locked = json.loads((source / "package-lock.json").read_text())["packages"]
        wanted = json.loads((source / "package.json").read_text())["dependencies"]
        found = {name: locked[f"node_modules/{name}"]["version"] for name in wanted}
    else:
        lock = (source / "requirements.lock").read_text()
        pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
        wanted = re.findall(r"^([\w.-]+)", (source / "requirements.in").read_text(), re.MULTILINE)
        found = {name: pinned[name] for name in wanted}
    return ", ".join(f"{name} {version}" for name, version in found.items())
