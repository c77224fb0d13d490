"""This project."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.tools.tool import Tool

if TYPE_CHECKING:
    from pathlib import Path

    from bench.tools.tool import Action, Migration


class Catalog(Tool):
    """This project, by the command that `bin/migrate` runs."""

    name = "catalog"
    title = "this project"
    manner = "the command that `bin/migrate` runs"
    ledger = "SELECT name FROM schema_migrations"

    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:  # noqa: ARG002
        """A pair of files, whose head says if there is to be no transaction."""
        head = "" if migration.transactional else "-- migrate: no-transaction\n"
        up, down = self.files_of(folder, migration)
        up.write_text(head + migration.up)
        down.write_text(head + migration.down)

    def file_of(self, folder: Path, migration: Migration) -> Path:
        """The first of both."""
        return folder / f"migrations/{migration.name}.up.sql"

    def files_of(self, folder: Path, migration: Migration) -> list[Path]:
        """Both."""
        return [self.file_of(folder, migration), folder / f"migrations/{migration.name}.down.sql"]

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str]:
        """There is one for each."""
        words = [action, str(count)] if action == "down" else [action]
        program = [sys.executable, "-I", "-m", "catalog.migrations"]
        return [*program, *words, "--dir", str(folder / "migrations")]

    def variables(self, conninfo: str) -> dict[str, str]:
        """The connection string as it is."""
        return {"DATABASE_URL": conninfo}
