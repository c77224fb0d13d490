"""The migration runners: this project, what people would use instead, and the limit."""

from __future__ import annotations

from bench.tools.alembic import Alembic
from bench.tools.catalog import Catalog
from bench.tools.dbmate import Dbmate
from bench.tools.node_pg_migrate import NodePgMigrate, NodePgMigrateWaiting
from bench.tools.psql import Psql
from bench.tools.sequelize import Sequelize, SequelizeInTransactions
from bench.tools.tool import Action, Migration, Tool

__all__ = ["TOOLS", "VARIANTS", "Action", "Migration", "Tool"]

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Catalog(),
        Dbmate(),
        Sequelize(),
        SequelizeInTransactions(),
        NodePgMigrate(),
        NodePgMigrateWaiting(),
        Alembic(),
        Psql(),
    )
}
"""By name; ours comes first."""

VARIANTS = ("sequelize-tx", "node-pg-migrate-wait")
"""Those that are others with an option which matters when something goes wrong."""
