"""The journal of scripts without a transaction, as far as no whole run shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from catalog.migrations.journal import Journal
from catalog.migrations.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator


SLEEP = b"SELECT pg_sleep(30)"


@pytest.fixture
def other_role(database: str) -> Iterator[str]:
    """A role that may not look into other roles' sessions."""
    with psycopg.connect(database, autocommit=True) as connection:
        name = f"other_{connection.info.dbname}"
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_what_is_left_of_a_run_of_another_role_is_seen(database: str, other_role: str) -> None:
    run = "catalog-migrate-of-another-role"
    with (
        psycopg.connect(database, autocommit=True, application_name=run) as left,
        psycopg.connect(database, autocommit=True, user=other_role) as connection,
    ):
        journal = Journal(Ledger.locate(connection, "schema_migrations"))
        left.pgconn.send_query(SLEEP)
        left.pgconn.flush()

        active = journal.is_active(connection, [run])

        left.cancel_safe()
        left.close()
    assert active
