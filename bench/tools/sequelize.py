"""sequelize-cli, in JavaScript: as the guide shows it, and with transactions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.packages import CACHE, SEQUELIZE
from bench.tools.tool import Tool, libpq
from catalog.migrations.scanner import split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.tools.tool import Action, Migration

_MODULES = CACHE / "sequelize/node_modules"
_CONFIG = """module.exports = {
  dialect: "postgres",
  host: process.env.PGHOST,
  port: process.env.PGPORT || 5432,
  username: process.env.PGUSER,
  database: process.env.PGDATABASE,
};
"""


class Sequelize(Tool):
    """Migrations as the guide has them: a call for each statement, and no transaction."""

    name = "sequelize"
    title = "sequelize-cli"
    manner = "run by node itself; migrations as its guide shows them, a query for each statement"
    ledger = 'SELECT name FROM "SequelizeMeta"'
    source = SEQUELIZE

    def write(self, folder: Path, migrations: Sequence[Migration]) -> None:
        """The migrations, the configuration, and the packages where they are looked for."""
        if not (folder / "config").exists():
            (folder / "config").mkdir()
            (folder / "config/config.js").write_text(_CONFIG)
            (folder / "node_modules").symlink_to(_MODULES)
        super().write(folder, migrations)

    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:  # noqa: ARG002
        """A module with two functions."""
        up, down = (
            self.body([statement.text for statement in split(text)], migration)
            for text in (migration.up, migration.down)
        )
        self.file_of(folder, migration).write_text(
            f"module.exports = {{\n  async up(queryInterface) {{\n{up}  }},\n\n"
            f"  async down(queryInterface) {{\n{down}  }},\n}};\n"
        )

    def body(self, statements: Sequence[str], migration: Migration) -> str:  # noqa: ARG002
        """Of one of them."""
        return "".join(
            f"    await queryInterface.sequelize.query({json.dumps(statement)});\n"
            for statement in statements
        )

    def file_of(self, folder: Path, migration: Migration) -> Path:
        """That module."""
        return folder / f"migrations/{migration.name}.js"

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str]:
        """There is one for each."""
        word = {"up": "db:migrate", "status": "db:migrate:status", "down": "db:migrate:undo"}
        words = [word[action]]
        if action == "down" and count > 1:
            names = sorted(file.name for file in (folder / "migrations").iterdir())
            words = ["db:migrate:undo:all", "--to", names[-count]]
        return ["node", str(_MODULES / "sequelize-cli/lib/sequelize"), *words]

    def variables(self, conninfo: str) -> dict[str, str]:
        """Those that its configuration reads."""
        return libpq(conninfo)

    def among(self, rows: Sequence[str], migrations: Sequence[Migration]) -> list[str]:
        """It records names of files."""
        return [one.name for one in migrations if f"{one.name}.js" in rows]


class SequelizeInTransactions(Sequelize):
    """The same with a managed transaction in each, as the guide shows for several changes."""

    name = "sequelize-tx"
    title = "sequelize-cli with transactions"
    manner = "the same with a managed transaction in each, as its guide shows, too"

    def body(self, statements: Sequence[str], migration: Migration) -> str:
        """Of one of the functions."""
        if not migration.transactional:
            return super().body(statements, migration)
        calls = "".join(
            f"      await queryInterface.sequelize.query({json.dumps(statement)},"
            " { transaction });\n"
            for statement in statements
        )
        return (
            "    await queryInterface.sequelize.transaction(async (transaction) => {\n"
            f"{calls}    }});\n"
        )
