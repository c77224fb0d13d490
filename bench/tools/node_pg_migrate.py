"""node-pg-migrate, in JavaScript."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.packages import CACHE, PEERS
from bench.tools.tool import Tool, url
from catalog.migrations.scanner import split

if TYPE_CHECKING:
    from pathlib import Path

    from bench.tools.tool import Action, Migration

_PROGRAM = "node-pg-migrate/node_modules/node-pg-migrate/bin/node-pg-migrate.js"


class NodePgMigrate(Tool):
    """With its defaults: all that is pending in one transaction, and a lock that does not wait."""

    name = "node-pg-migrate"
    title = "node-pg-migrate"
    manner = (
        "run by node itself; SQL files; its defaults, with which all of a run is one transaction"
    )
    ledger = "SELECT name FROM pgmigrations"
    source = PEERS / "node-pg-migrate"

    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:  # noqa: ARG002
        """A file of SQL with two parts; or a module, if there is to be no transaction."""
        text = f"-- Up Migration\n{migration.up}\n\n-- Down Migration\n{migration.down}\n"
        if not migration.transactional:
            text = _function("up", migration.up) + _function("down", migration.down)
        self.file_of(folder, migration).write_text(text)

    def file_of(self, folder: Path, migration: Migration) -> Path:
        """That one."""
        return folder / f"migrations/{migration.name}.{'sql' if migration.transactional else 'cjs'}"

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str] | None:
        """It has no status."""
        if action == "status":
            return None
        words = ["down", str(count)] if action == "down" else ["up"]
        return [
            "node",
            str(CACHE / _PROGRAM),
            *words,
            "--migrations-dir",
            str(folder / "migrations"),
        ]

    def variables(self, conninfo: str) -> dict[str, str]:
        """A URL."""
        return {"DATABASE_URL": url(conninfo, "postgres")}


class NodePgMigrateWaiting(NodePgMigrate):
    """The same, told to wait for its lock."""

    name = "node-pg-migrate-wait"
    title = "node-pg-migrate that waits"
    manner = "the same with `--advisory-lock-mode wait`"

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str] | None:
        """The same with that option."""
        command = super().command(folder, action, count)
        return [*command, "--advisory-lock-mode", "wait"] if command else None


def _function(name: str, text: str) -> str:
    calls = "".join(f"  pgm.sql({json.dumps(statement.text)});\n" for statement in split(text))
    return f"exports.{name} = (pgm) => {{\n  pgm.noTransaction();\n{calls}}};\n"
