"""Connections that are killed again and again, or while nobody looked: no request fails of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.database.test_api_outages import backends, fill_the_pool, terminate, wait_until
from tests.load import fill, loading, service
from tests.serving import served
from tests.whole.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

PATHS = ["/authors", "/books/{}", "/authors/7", "/books/7?limit=2", "/search?q=a"]
"""Reads of each kind: shared ones and others."""

DELAY = 0.05


def addresses(url: str) -> list[str]:
    return [url + path.format(author) for author in range(1, 20) for path in PATHS]


@pytest.mark.slow
def test_killing_all_connections_five_times_a_second_fails_no_request(
    catalog_database: str,
) -> None:
    fill(catalog_database)
    killed = 0
    with service(catalog_database) as url, loading(*addresses(url), clients=32) as load:
        end = time.monotonic() + 10
        with psycopg.connect(catalog_database, autocommit=True) as connection:
            while time.monotonic() < end:
                time.sleep(0.2)
                killed += connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'catalog'"
                ).rowcount
    print(f"\n{killed} connections killed in 10 s: {load}")

    assert killed > 30
    assert len(load.answers) > 500
    assert load.failed == []
    assert load.longest < 3


@pytest.mark.few(1)
@pytest.mark.parametrize("path", ["/authors", "/authors/1"])
def test_after_a_quiet_spell_the_first_request_costs_one_reconnect(
    catalog_database: str, path: str
) -> None:
    fill(catalog_database)
    with Proxy(catalog_database, delay=DELAY) as proxy, served(proxy.conninfo) as client:
        fill_the_pool(client, catalog_database)
        wait_until(lambda: len(backends(catalog_database)) == 10)
        usual = seconds(lambda: client.get(path))
        assert terminate(catalog_database) == 10
        wait_until(lambda: backends(catalog_database) == [])
        time.sleep(0.2)  # the word of it is on its way
        proxy.trips.clear()

        first = seconds(lambda: client.get(path))
    print(f"\n{path} usually takes {usual:.3f} s, and {first:.3f} s after all were closed")

    assert first < usual + 0.5  # the pool's own way begins with a second


def seconds(get: Callable[[], httpx.Response]) -> float:
    began = time.monotonic()
    assert get().status_code == 200
    return time.monotonic() - began
