"""A short history, and somebody who is in the way: for tests of words."""

from __future__ import annotations

from datetime import UTC, datetime

from catalog.errors import Blocked, Blocker
from catalog.migrations.migration import Migration, Script
from catalog.migrations.plan import Applied, History


def migration(name: str) -> Migration:
    return Migration(name, int(name[:4]), Script(f"{name}.up.sql", f"SELECT '{name}';"))


def applied(name: str, at: datetime = datetime(2026, 11, 23, 23, 56, 34, tzinfo=UTC)) -> Applied:
    return Applied(
        name=name,
        position=int(name[:4]),
        applied_at=at,
        duration_ms=12.3,
        checksum=migration(name).checksum,
    )


BLOCKED = Blocked((Blocker(7, "web", "idle", 90, "SELECT 1"),), behind=3)
WHOM = "process 7 (web), idle in a transaction of 1 min 30 s: SELECT 1; 3 waiting behind it"

HISTORY = History([migration("0001_a"), migration("0002_b")], [applied("0001_a")])
