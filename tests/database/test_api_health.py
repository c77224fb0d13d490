"""Whether the service lives and is ready, and what it costs to ask."""

from __future__ import annotations

import asyncio
import threading
import time
from asyncio import create_task, gather, sleep
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from catalog.api import health
from catalog.api.health import Readiness
from catalog.api.reading import MOST_READS, Reader
from tests.serving import served
from tests.wire import Wire

if TYPE_CHECKING:
    import httpx


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are stale, and it is quiet, in no time."""
    monkeypatch.setattr(health, "FRESH", 0.05)
    monkeypatch.setattr(health, "QUIET", 0.5)


def test_alive_without_a_database_and_not_ready(tmp_path: object) -> None:
    with served(f"host={tmp_path} dbname=x") as client:
        alive, ready = client.get("/livez"), client.get("/readyz")

    assert (alive.status_code, alive.text) == (200, "alive")
    assert_not_ready(ready, "The database does not answer at the moment.")


def test_alive_asks_nothing(catalog_database: str) -> None:
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        client.get("/authors")
        wire.answers.clear()
        for _ in range(100):
            assert client.get("/livez").status_code == 200

    assert wire.answers == []


def test_ready_once_the_pool_serves(catalog_database: str) -> None:
    with served(catalog_database) as client:
        ready = client.get("/readyz")

    assert (ready.status_code, ready.text) == (200, "ready")
    assert ready.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("quickly")
def test_not_ready_while_migrations_are_pending(catalog_database: str) -> None:
    counts = [2, 0]

    with served(catalog_database, pending=lambda: counts[0]) as client:
        assert_not_ready(client.get("/readyz"), "Migrations are pending: 2.")
        counts.pop(0)
        time.sleep(0.1)
        assert client.get("/readyz").status_code == 200


def test_ready_if_nobody_can_tell_what_is_pending(catalog_database: str) -> None:
    with served(catalog_database, pending=lambda: None) as client:
        assert client.get("/readyz").status_code == 200


def test_a_look_that_takes_long_holds_nobody_up_and_is_the_only_one(
    catalog_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.3)
    go_on, looks = threading.Event(), []

    def pending() -> int:
        looks.append(1)
        go_on.wait(30)
        return 0

    with served(catalog_database, pending=pending) as client:
        started = time.monotonic()
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(client.get, ["/readyz"] * 20))
            others = client.get("/authors")
        took = time.monotonic() - started
        go_on.set()
        time.sleep(0.2)
        after = client.get("/readyz")

    print(f"20 probes of a look that hangs: {len(looks)} look, all answered in {took:.1f} s")
    assert {answer.status_code for answer in answers} == {503}
    assert (others.status_code, after.status_code) == (200, 200)
    assert looks == [1]
    assert took < 5


def test_the_service_ends_while_a_look_hangs(catalog_database: str) -> None:
    go_on = threading.Event()

    def pending() -> int:
        go_on.wait(30)
        return 0

    with served(catalog_database, pending=pending) as client:
        started = time.monotonic()
        assert client.get("/readyz").status_code == 503
    took = time.monotonic() - started
    go_on.set()

    assert took < 8


def test_a_thousand_probes_share_a_look(catalog_database: str) -> None:
    looks = []

    def pending() -> int:
        looks.append(1)
        return 0

    with Wire(catalog_database) as wire, served(wire.conninfo, pending=pending) as client:
        client.get("/authors")
        wire.answers.clear()
        started = time.monotonic()
        with ThreadPoolExecutor(10) as threads:
            answers = list(threads.map(client.get, ["/readyz"] * 1000))
        spans = (time.monotonic() - started) / health.FRESH

    print(f"1,000 probes in {spans * health.FRESH:.1f} s: {len(wire.answers)} answers of Postgres")
    assert {answer.status_code for answer in answers} == {200}
    assert len(looks) <= spans + 1
    assert len(wire.answers) <= 2 * (spans + 1)


@pytest.mark.usefixtures("quickly")
def test_probes_alone_do_not_keep_a_database_awake(catalog_database: str) -> None:
    looks = []

    def pending() -> int:
        looks.append(1)
        return 0

    with Wire(catalog_database) as wire, served(wire.conninfo, pending=pending) as client:
        assert probe(client, 0.8) == {200}  # until it is quiet
        asked, looked = len(wire.answers), len(looks)
        assert asked > 0
        assert probe(client, 1) == {200}
        print(f"probes in a quiet minute: {len(wire.answers) - asked} answers of Postgres")
        assert (len(wire.answers), len(looks)) == (asked, looked)

        client.get("/")  # needs no database, and so does not count
        assert probe(client, 0.2) == {200}
        assert len(wire.answers) == asked
        client.get("/authors")
        assert probe(client, 0.2) == {200}
        assert len(looks) > looked


@pytest.mark.usefixtures("quickly")
def test_what_is_not_ready_finds_out_when_it_is_though_nobody_comes(
    catalog_database: str,
) -> None:
    counts = [1]

    with served(catalog_database, pending=lambda: counts[0]) as client:
        assert probe(client, 0.8) == {503}
        counts[0] = 0
        time.sleep(0.1)
        assert client.get("/readyz").status_code == 200


@pytest.mark.usefixtures("quickly")
def test_a_database_that_goes_away_under_traffic_is_noticed(catalog_database: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(catalog_database)["dbname"]
    with served(catalog_database) as client:
        assert client.get("/readyz").status_code == 200
        client.get("/authors")
        other = psycopg.conninfo.make_conninfo(catalog_database, dbname="postgres")
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
        time.sleep(0.1)

        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("reads", [MOST_READS - 50, MOST_READS])
def test_an_instance_with_more_to_do_than_it_can_stays_ready(
    catalog_database: str, reads: int
) -> None:
    async def obstacle() -> str | None:
        async with Reader(catalog_database) as reader:
            asked = [create_task(reader.read(b"SELECT pg_sleep(0.1)")) for _ in range(reads)]
            await sleep(0.5)
            found = await Readiness(reader, pending=None).obstacle()
            assert not all(one.done() for one in asked)
            await gather(*asked, return_exceptions=True)
            return found

    assert asyncio.run(obstacle()) is None


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_they_are_asked_in_any_way(catalog_database: str, path: str) -> None:
    with served(catalog_database) as client:
        assert client.get(f"{path}?at=12:00").status_code == 200
        assert client.head(path).status_code == 200
        assert client.post(path).status_code == 405


def probe(client: httpx.Client, seconds: float) -> set[int]:
    """The statuses of probes for so long."""
    end = time.monotonic() + seconds
    found = set()
    while time.monotonic() < end:
        found.add(client.get("/readyz").status_code)
        time.sleep(0.02)
    return found


def assert_not_ready(answer: httpx.Response, detail: str) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["detail"] == detail
