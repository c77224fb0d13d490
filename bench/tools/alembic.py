"""Alembic, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.packages import CACHE, PEERS
from bench.tools.tool import Tool, url
from catalog.migrations.scanner import split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.tools.tool import Action, Migration

_INI = """[alembic]
script_location = %(here)s
version_locations = %(here)s/migrations
path_separator = os

[loggers]
keys = root,sqlalchemy,alembic

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARNING
handlers = console
qualname =

[logger_sqlalchemy]
level = WARNING
handlers =
qualname = sqlalchemy.engine

[logger_alembic]
level = INFO
handlers =
qualname = alembic

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic

[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
datefmt = %H:%M:%S
"""
# What its template for a single database does online; the URL is the only change.
_ENV = """import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, pool

fileConfig(context.config.config_file_name)
engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""
_REVISION = """from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{up}

def downgrade() -> None:
{down}"""


class Alembic(Tool):
    """The environment that `alembic init` makes: all that is pending in one transaction."""

    name = "alembic"
    title = "Alembic"
    manner = (
        "what `alembic init` makes, with which all of a run is one transaction; `current` stands"
        " for a status"
    )
    ledger = "SELECT version_num FROM alembic_version"
    source = PEERS / "alembic"

    def write(self, folder: Path, migrations: Sequence[Migration]) -> None:
        """The migrations and the environment."""
        (folder / "alembic.ini").write_text(_INI)
        (folder / "env.py").write_text(_ENV)
        super().write(folder, migrations)

    def write_one(self, folder: Path, migration: Migration, *, after: Migration | None) -> None:
        """A revision of raw SQL."""
        self.file_of(folder, migration).write_text(
            _REVISION.format(
                revision=migration.name,
                down_revision=after.name if after else None,
                up=_body(migration.up, migration),
                down=_body(migration.down, migration),
            )
        )

    def file_of(self, folder: Path, migration: Migration) -> Path:
        """That revision."""
        return folder / f"migrations/{migration.name}.py"

    def command(self, folder: Path, action: Action, count: int = 1) -> list[str]:
        """`current` is the nearest to a status, though it names only the newest one."""
        words = {"up": ["upgrade", "head"], "status": ["current"], "down": ["downgrade"]}[action]
        if action == "down":
            words = [*words, f"-{count}"]
        return [str(CACHE / "alembic/venv/bin/alembic"), "-c", str(folder / "alembic.ini"), *words]

    def variables(self, conninfo: str) -> dict[str, str]:
        """A URL."""
        return {"DATABASE_URL": url(conninfo, "postgresql+psycopg2")}

    def among(self, rows: Sequence[str], migrations: Sequence[Migration]) -> list[str]:
        """It records the newest one."""
        names = [migration.name for migration in migrations]
        return names[: names.index(rows[0]) + 1] if rows and rows[0] in names else []


def _body(text: str, migration: Migration) -> str:
    statements = [statement.text for statement in split(text)]
    if migration.transactional:
        return "".join(f"    op.execute({statement!r})\n" for statement in statements)
    calls = "".join(f"        op.execute({statement!r})\n" for statement in statements)
    return f"    with op.get_context().autocommit_block():\n{calls}"
