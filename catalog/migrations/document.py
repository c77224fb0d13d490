"""What `--json` prints: one document for each command, of a shape that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from catalog.errors import FilesInvalid, HistoryRefused, ScriptFailed
from catalog.migrations.explain import error_text
from catalog.migrations.migration import version_of
from catalog.migrations.position import Position
from catalog.migrations.report import newest_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.errors import CatalogError
    from catalog.migrations.events import Finished
    from catalog.migrations.journal import Entry
    from catalog.migrations.plan import History


def status(place: str, history: History, broken: Entry | None = None) -> dict[str, object]:
    """The document of `status`: every migration with its state.

    The states are `applied`, `edited` (applied, and its file was changed since), `missing`
    (applied, and its file is not here), `pending`, and `late` (pending, and numbered below one
    that is applied); of a script without a transaction that broke off, `half applied` or
    `half reverted`.
    """
    edited = {migration.name for migration in history.edited}
    missing = {row.name for row in history.missing}
    late = {migration.name for migration in history.late}
    rows: list[dict[str, object]] = [
        {
            "name": row.name,
            "version": version_of(row.name),
            "state": "edited"
            if row.name in edited
            else "missing"
            if row.name in missing
            else "applied",
            "applied_at": row.applied_at.isoformat(),
            "duration_ms": round(row.duration_ms, 3),
        }
        for row in history.applied
    ]
    rows += [
        {
            "name": migration.name,
            "version": migration.version,
            "state": "late" if migration.name in late else "pending",
            "applied_at": None,
            "duration_ms": None,
        }
        for migration in history.pending
    ]
    for row in rows:
        if broken and row["name"] == broken.name:
            row["state"] = {"up": "half applied", "down": "half reverted"}[broken.direction]
    return {"database": place, "at": history.newest, "migrations": rows, "error": None}


def run(
    place: str,
    history: History | None,
    finished: Sequence[Finished],
    *,
    planned: Sequence[tuple[str, str]] = (),
    failure: CatalogError | None = None,
) -> dict[str, object]:
    """The document of `up`, `down` and `redo`: what was done, and what went wrong.

    The states are `applied` and `reverted`, with `by_other` where another runner did it, and
    with `--dry-run` `would apply` and `would revert`.
    """
    done = {"up": "applied", "down": "reverted"}
    would = {"up": "would apply", "down": "would revert"}
    rows: list[dict[str, object]] = [
        {
            "name": event.name,
            "version": version_of(event.name),
            "state": done[event.direction],
            "by_other": event.by_other,
            "duration_ms": round(event.duration_ms, 3),
        }
        for event in finished
    ]
    rows += [
        {
            "name": name,
            "version": version_of(name),
            "state": would[direction],
            "by_other": False,
            "duration_ms": None,
        }
        for name, direction in planned
    ]
    return {
        "database": place,
        "at": newest_after(finished, history) if history else None,
        "migrations": rows,
        "error": None if failure is None else error(failure, history, finished),
    }


def error(
    failure: CatalogError, history: History | None = None, finished: Sequence[Finished] = ()
) -> dict[str, object]:
    """An error: its kind, its text as a person would read it, and its place in a file."""
    facts: dict[str, object] = {
        "kind": type(failure).__name__,
        "message": error_text(failure, history=history, finished=finished),
        "file": None,
        "line": None,
        "column": None,
        "sqlstate": None,
    }
    if isinstance(failure.__cause__, psycopg.Error):
        facts["sqlstate"] = failure.__cause__.sqlstate
    if isinstance(failure, HistoryRefused) and failure.edited:
        facts["file"] = failure.edited[0].path
    if isinstance(failure, FilesInvalid):
        first = failure.problems[0]
        facts["file"] = first.path
        if first.text is not None:
            at = Position.of(first.text, first.offset)
            facts["line"], facts["column"] = at.line, at.column
    if isinstance(failure, ScriptFailed):
        facts["file"] = failure.script.path
        facts["sqlstate"] = failure.report.sqlstate
        if failure.offset is not None:
            at = Position.of(failure.script.text, failure.offset)
            facts["line"], facts["column"] = at.line, at.column
    return facts
