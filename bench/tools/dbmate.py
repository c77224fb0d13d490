"""dbmate, in Go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.packages import CACHE, PEERS
from bench.tools.tool import Tool, url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.tools.tool import Action, Migration

_PROGRAM = "dbmate/node_modules/@dbmate/linux-x64/bin/dbmate"


class Dbmate(Tool):
    """dbmate's program, without the script around it that npm would start."""

    name = "dbmate"
    title = "dbmate"
    manner = "its program itself; `migrate`, and `rollback` for each; `--no-dump-schema`"
    ledger = "SELECT version FROM schema_migrations"
    source = PEERS / "dbmate"

    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:  # noqa: ARG002
        """A file of two parts, each of which says if there is to be no transaction."""
        option = "" if migration.transactional else " transaction:false"
        self.file_of(folder, migration).write_text(
            f"-- migrate:up{option}\n{migration.up}\n\n-- migrate:down{option}\n{migration.down}\n"
        )

    def file_of(self, folder: Path, migration: Migration) -> Path:
        """That one."""
        return folder / f"migrations/{migration.name}.sql"

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str]:
        """`rollback` takes back one: there is a process for each, one after the other."""
        word = {"up": "migrate", "status": "status", "down": "rollback"}[action]
        options = ["--no-dump-schema", "--migrations-dir", str(folder / "migrations")]
        one = [str(CACHE / _PROGRAM), *options, word]
        if action != "down" or count == 1:
            return one
        times = 'n=$1; shift; while [ "$n" -gt 0 ]; do "$@" || exit; n=$((n - 1)); done'
        return ["sh", "-c", times, "sh", str(count), *one]

    def variables(self, conninfo: str) -> dict[str, str]:
        """A URL; without the option it insists on TLS."""
        return {"DATABASE_URL": url(conninfo, "postgres", sslmode="disable")}

    def among(self, rows: Sequence[str], migrations: Sequence[Migration]) -> list[str]:
        """It records the digits."""
        return [one.name for one in migrations if one.name.partition("_")[0] in rows]
