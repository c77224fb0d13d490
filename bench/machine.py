"""Where it was measured, and what of whom: the facts that a result means nothing without."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import psycopg

from bench.packages import SOURCES, versions
from bench.server import own_server
from catalog.settings import ROOT

_PACKAGES = ("psycopg-pool", "starlette", "uvicorn", "httptools", "uvloop")
_SETTINGS = (
    *("shared_buffers", "work_mem", "max_connections", "fsync", "synchronous_commit"),
    *("full_page_writes", "wal_level", "jit"),
)


def facts() -> dict[str, str]:
    """The machine, Postgres and its settings, and the versions of all that is measured."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "Commit": _commit(),
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB, "
        f"{platform.system()} {platform.release()}",
        "Postgres": _postgres(),
        "This project": f"Python {platform.python_version()}, psycopg {psycopg.__version__}"
        f" ({psycopg.pq.__impl__}), {', '.join(f'{name} {version(name)}' for name in _PACKAGES)}",
        "Run by": f"Node.js {_said(['node', '--version'])}, "
        f"{_said(['wrk', '--version']).partition(' [')[0]}, "
        f"{_said(['pgbouncer', '--version']).splitlines()[0]}",
        **{f"`{source.name}`": versions(source) for source in SOURCES},
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _postgres() -> str:
    with own_server() as (server, _), psycopg.connect(server.conninfo) as connection:
        query = "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name"
        settings = connection.execute(query, [list(_SETTINGS)]).fetchall()
        told = ", ".join(f"{name} {value}" for name, value in settings)
        return f"{server.version}, as initdb sets it up: {told}"


def _commit() -> str:
    """The commit, and whether there is more than it has; the results are no part of that."""
    git = ["git", "-C", str(ROOT)]
    commit = _said([*git, "rev-parse", "--short", "HEAD"])
    made = [f":!bench/{name}" for name in ("RESULTS.md", "results.json", "plots")]
    changed = _said([*git, "status", "--porcelain", "--", ".", *made])
    return (commit or "unknown") + (" and more" if changed else "")


def _said(command: list[str]) -> str:
    # wrk tells its version and fails.
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    ).stdout.strip()
