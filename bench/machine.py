"""Where it was measured, and what of whom: the facts that a result means nothing without."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from bench.packages import SOURCES
from catalog.embedded import EmbeddedServer, embedded_bindir
from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = (
    *("shared_buffers", "work_mem", "max_connections", "fsync", "synchronous_commit"),
    *("full_page_writes", "wal_level", "jit"),
)


def facts() -> dict[str, str]:
    """The machine, Postgres and its settings, and the versions of all that is measured."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "Commit": _said(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB, "
        f"{platform.system()} {platform.release()}",
        "Postgres": _postgres(),
        "Run by": f"Python {platform.python_version()}, Node.js {_said(['node', '--version'])}, "
        f"{_said(['wrk', '--version']).partition(' [')[0]}, "
        f"{_said(['pgbouncer', '--version']).splitlines()[0]}",
        **{f"`{source.name}`": ", ".join(_packages(source)) for source in SOURCES},
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _postgres() -> str:
    with tempfile.TemporaryDirectory(prefix="catalog-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with (
            EmbeddedServer(Path(folder) / "server", bindir=embedded_bindir()) as server,
            psycopg.connect(server.conninfo) as connection,
        ):
            query = "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name"
            settings = connection.execute(query, [list(_SETTINGS)]).fetchall()
            told = ", ".join(f"{name} {value}" for name, value in settings)
            return f"{server.version}, as initdb sets it up: {told}"


def _packages(source: Path) -> Iterator[str]:
    """What it asks for itself, in the version that its lock says."""
    if (source / "package.json").exists():
        locked = json.loads((source / "package-lock.json").read_text())["packages"]
        for name in json.loads((source / "package.json").read_text())["dependencies"]:
            yield f"{name} {locked[f'node_modules/{name}']['version']}"
    else:
        lock = (source / "requirements.lock").read_text()
        wanted = re.findall(r"^([\w.-]+)", (source / "requirements.in").read_text(), re.MULTILINE)
        for name in wanted:
            [version] = re.findall(rf"^{name}==([\w.]+)", lock, re.MULTILINE)
            yield f"{name} {version}"


def _said(command: list[str]) -> str:
    # wrk tells its version and fails.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()
