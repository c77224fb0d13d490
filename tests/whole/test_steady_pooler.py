"""Four instances behind a PgBouncer in transaction mode: no more fails than would with one."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.database.test_api_outages import Server, own_server
from tests.load import fill, loading, service
from tests.whole.pooler import pooler
from tests.whole.servers import server_user
from tests.whole.test_steady_kills import addresses
from tests.whole.test_steady_outages import restart

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

INSTANCES = 4
CLIENTS = 200
SERVER_CONNECTIONS = 8  # fewer than a single instance would open


@pytest.fixture
def server() -> Iterator[Server]:
    # As root the pooler runs as somebody else, too.
    with own_server(owner=server_user() if os.geteuid() == 0 else None) as server:
        fill(server.conninfo)
        yield server


@pytest.fixture
def urls(server: Server) -> Iterator[list[str]]:
    """Of the instances, in turns."""
    with ExitStack() as stack:
        running = stack.enter_context(
            pooler(server.conninfo, pool_size=SERVER_CONNECTIONS, server_login_retry=0.5)
        )
        way = running.to(server.conninfo)
        found = [stack.enter_context(service(way)) for _ in range(INSTANCES)]
        yield [url for of_each in zip(*map(addresses, found), strict=True) for url in of_each]


def test_killing_all_of_the_poolers_connections_fails_no_request(
    server: Server, urls: list[str]
) -> None:
    killed = 0
    with (
        loading(*urls, clients=CLIENTS) as load,
        psycopg.connect(server.conninfo, autocommit=True) as connection,
    ):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            time.sleep(0.2)
            killed += connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).rowcount
    print(f"\n{INSTANCES} instances, {killed} of the pooler's connections killed: {load}")

    assert killed > 30
    assert load.failed == []


def test_a_restart_behind_the_pooler_fails_no_request(server: Server, urls: list[str]) -> None:
    with loading(*urls, clients=CLIENTS) as load:
        time.sleep(2)
        down, back = restart(server)
        time.sleep(3)
    print(
        f"\n{INSTANCES} instances, server down for {down:.1f} s behind the pooler: {load};"
        f" the first answer {load.recovered(back):.2f} s after its return"
    )

    assert load.failed == []
    assert load.recovered(back) < 2
