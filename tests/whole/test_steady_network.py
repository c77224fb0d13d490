"""A network that swallows packets, between the service and its server, under load."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from catalog.embedded import embedded_bindir
from catalog.settings import ROOT
from tests.database.test_api_outages import backends, wait_until
from tests.load import fill, loading, service
from tests.whole.servers import password_server
from tests.whole.test_network import Host, host, ip
from tests.whole.test_steady_kills import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make hosts of its own"),
]

__all__ = ["host"]  # a fixture

DEADLINE = 5.0
SLACK = 1.0


@contextmanager
def second_cable(host: Host) -> Iterator[str]:
    """Another way to that machine, for its clients; yields its address there."""
    near, network = f"{host.cable[:-1]}b", host.address.rsplit(".", 1)[0].replace("213", "214")
    ip("link", "add", near, "type", "veth", "peer", "name", "second", "netns", host.name)
    ip("addr", "add", f"{network}.1/30", "dev", near)
    ip("link", "set", near, "up")
    ip("-n", host.name, "addr", "add", f"{network}.2/30", "dev", "second")
    ip("-n", host.name, "link", "set", "second", "up")
    yield f"{network}.2"


def test_a_network_that_swallows_packets_is_noticed_by_the_deadline_and_its_end_soon(
    host: Host,
) -> None:
    with password_server(
        embedded_bindir(),
        initdb_options=["--locale=C"],
        settings={"listen_addresses": f"127.0.0.1,{host.address}"},
    ) as (_, near):
        with psycopg.connect(near.url, autocommit=True) as connection:
            for script in sorted((ROOT / "sql/migrations").glob("*.up.sql")):
                connection.execute(script.read_bytes())
        fill(near.url)
        with (
            second_cable(host) as address,
            service(near.but(host=host.address).url, host=address, netns=host.name) as url,
            loading(*addresses(url), clients=50) as load,
        ):
            time.sleep(1)
            with host.switched_off():
                time.sleep(12)
            back = time.monotonic()
            time.sleep(10)
            wait_until(lambda: len(backends(near.url)) <= 10, 30)
        print(
            f"\npackets lost for 12 s: {load}; the first answer {load.recovered(back):.2f} s later"
        )

        assert set(load.statuses) == {200, 503}
        assert load.longest < DEADLINE + SLACK
        assert load.recovered(back) < 5 + SLACK
        assert load.of_those_begun_after(back + 5 + SLACK).failed == []
        wait_until(lambda: backends(near.url) == [], 30)
