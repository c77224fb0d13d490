"""`psql`, the limit: it runs what it is given, and asks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.tools.tool import Tool, libpq
from catalog.embedded import embedded_bindir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.tools.tool import Action, Migration

_LEDGER = """CREATE TABLE ledger (
    name       text PRIMARY KEY,
    position   integer NOT NULL UNIQUE,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    checksum   text NOT NULL,
    up_sql     text NOT NULL,
    down_sql   text
);
"""
_RECORD = """INSERT INTO ledger (name, position, checksum, up_sql, down_sql)
VALUES ('{name}', {position}, repeat('x', 64), $up${up}$up$, $down${down}$down$);
"""


class Psql(Tool):
    """One session; each migration a transaction with a row as ours has it."""

    name = "psql"
    title = "`psql` with a ledger"
    manner = "one session; for each migration a transaction, and a row as ours has it"
    ledger = "SELECT name FROM ledger"
    knows_what_is_done = False

    def write(self, folder: Path, migrations: Sequence[Migration]) -> None:
        """The migrations, and the ledger before them."""
        super().write(folder, migrations)
        (folder / "migrations/0.up.psql").write_text(_LEDGER)

    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:  # noqa: ARG002
        """A pair of scripts."""
        up, down = self.files_of(folder, migration)
        record = _RECORD.format(
            name=migration.name,
            position=int(migration.name.partition("_")[0]),
            up=migration.up,
            down=migration.down,
        )
        forget = f"DELETE FROM ledger WHERE name = '{migration.name}';\n"  # noqa: S608
        for file, text in (
            (up, f"{migration.up}\n{record}"),
            (down, f"{migration.down}\n{forget}"),
        ):
            file.write_text(f"BEGIN;\n{text}COMMIT;\n" if migration.transactional else text)

    def file_of(self, folder: Path, migration: Migration) -> Path:
        """The first of both."""
        return folder / f"migrations/{migration.name}.up.psql"

    def files_of(self, folder: Path, migration: Migration) -> list[Path]:
        """Both."""
        return [self.file_of(folder, migration), folder / f"migrations/{migration.name}.down.psql"]

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str] | None:
        """All scripts of one direction, whatever has been applied before."""
        if action == "status":
            return None
        scripts = sorted((folder / "migrations").glob(f"*.{action}.psql"))
        if action == "down":
            scripts = scripts[: -count - 1 : -1]
        files = [word for script in scripts for word in ("-f", str(script.relative_to(folder)))]
        return [str(embedded_bindir() / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", *files]

    def variables(self, conninfo: str) -> dict[str, str]:
        """Libpq's."""
        return libpq(conninfo)
