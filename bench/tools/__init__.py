"""The migration runners: this project, what people would use instead, and the limit."""

from __future__ import annotations

from bench.tools.alembic import Alembic
from bench.tools.catalog import Catalog
from bench.tools.dbmate import Dbmate
from bench.tools.node_pg_migrate import NodePgMigrate
from bench.tools.psql import Psql
from bench.tools.sequelize import Sequelize, SequelizeInTransactions
from bench.tools.tool import Action, Migration, Tool

__all__ = ["TOOLS", "Action", "Migration", "Tool"]

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Catalog(),
        Dbmate(),
        Sequelize(),
        SequelizeInTransactions(),
        NodePgMigrate(),
        Alembic(),
        Psql(),
    )
}
"""By name; ours comes first."""
