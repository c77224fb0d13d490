"""Servers that restart, wake up slowly or freeze, under load; each test prints what it measured."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from catalog.api.batching import MOST_WAITING
from tests.database.test_api_outages import Server, backends, own_server, wait_until
from tests.load import fill, loading, service
from tests.whole.proxy import Proxy
from tests.whole.test_steady_kills import addresses
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.slow

DEADLINE = 5.0
SLACK = 1.0  # for a machine that is busy with other tests


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, with a hundred authors, that runs."""
    with own_server() as server:
        fill(server.conninfo)
        yield server


def restart(server: Server, seconds: float = 3.0) -> tuple[float, float]:
    """Returns for how long it was away, about those seconds, and since when it is back."""
    began = time.monotonic()
    server.stop()
    time.sleep(max(0.0, began + seconds - 0.2 - time.monotonic()))  # it takes a while to start
    server.start()
    back = time.monotonic()
    return back - began, back


def test_a_restart_fails_no_request(server: Server) -> None:
    with service(server.conninfo) as url, loading(*addresses(url), clients=32) as load:
        time.sleep(1)
        down, back = restart(server)
        time.sleep(2)
    print(f"\ndown for {down:.1f} s: {load}; first answer {load.recovered(back):.2f} s after that")

    assert load.failed == []
    assert load.recovered(back) < 1 + SLACK
    assert load.longest < DEADLINE


def test_an_outage_is_one_line_in_the_log_and_needs_no_hand(server: Server) -> None:
    log: list[str] = []
    with service(server.conninfo, log) as url, loading(*addresses(url), clients=32) as load:
        time.sleep(1)
        server.stop()
        time.sleep(7)
        answer = httpx.get(f"{url}/authors", timeout=10)
        server.start()
        back = time.monotonic()
        time.sleep(2)
    print(
        f"\ndown for 12 s: {load}; the first answer {load.recovered(back):.2f} s after its return"
    )
    print("\n".join(log))

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert set(load.statuses) == {200, 503}
    assert load.longest < DEADLINE + SLACK
    assert load.recovered(back) < 1 + SLACK
    assert load.of_those_begun_after(back + 1 + SLACK).failed == []
    [line] = log
    assert "No such file or directory" in line or "Connection refused" in line


def test_a_start_before_the_servers_is_as_good(server: Server) -> None:
    server.stop()
    with service(server.conninfo) as url, loading(*addresses(url), clients=32) as load:
        time.sleep(3)
        server.start()
        back = time.monotonic()
        time.sleep(2)
    print(f"\nnot there for 3 s: {load}; the first answer {load.recovered(back):.2f} s after that")

    assert load.failed == []
    assert load.recovered(back) < 1 + SLACK


def test_a_wake_up_of_four_seconds_fails_no_request(server: Server) -> None:
    with (
        Wire(server.conninfo) as wire,
        service(wire.conninfo) as url,
        loading(*addresses(url), clients=32) as load,
    ):
        time.sleep(1)
        wire.fall_asleep(4)
        awake = time.monotonic() + 4
        time.sleep(6)
    print(f"\nasleep for 4 s: {load}; the first answer {load.recovered(awake):.2f} s after that")

    assert load.failed == []
    assert load.recovered(awake) < 1
    assert load.longest < DEADLINE


def test_a_frozen_server_is_answered_for_by_the_deadline_and_is_well_after(server: Server) -> None:
    with service(server.conninfo) as url, loading(*addresses(url), clients=50) as load:
        time.sleep(1)
        with frozen(server.pid):
            time.sleep(12)
        back = time.monotonic()
        time.sleep(5)
        load_in_the_end = load.of_those_begun_after(back + 1 + SLACK)
        wait_until(lambda: len(backends(server.conninfo)) <= 10)
    print(f"\nfrozen for 12 s: {load}; the first answer {load.recovered(back):.2f} s after that")

    assert set(load.statuses) == {200, 503}
    assert load.longest < DEADLINE + SLACK
    assert load.recovered(back) < 1 + SLACK
    assert load_in_the_end.failed == []
    wait_until(lambda: backends(server.conninfo) == [])


@contextmanager
def frozen(postmaster: int) -> Iterator[None]:
    """Stop a server's processes, all of them, as they are; then let them go on."""
    processes = processes_of(postmaster)
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    # Those that were born meanwhile.
    for process in set(processes_of(postmaster)) - set(processes):
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes_of(postmaster):
            os.kill(process, signal.SIGCONT)


def processes_of(postmaster: int) -> list[int]:
    """The postmaster first, so that no more are born."""
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


def test_of_those_who_wait_for_a_frozen_server_no_more_than_so_many_do(server: Server) -> None:
    with service(server.conninfo, REQUEST_TIMEOUT="60") as url, ExitStack() as winter:
        urls = [f"{url}/books/{author}" for author in range(1, 4001)]
        httpx.get(urls[0])
        winter.enter_context(frozen(server.pid))
        with loading(*urls, clients=3000, retry=20) as load:
            wait_until(lambda: len(load.answers) >= 3000 - MOST_WAITING, seconds=20)
            time.sleep(SLACK)
            at_once = list(load.answers)
            winter.close()
    print(f"\nfrozen: {len(at_once)} of 3000 at once; {load}")

    assert {answer.status for answer in at_once} == {503}
    assert len(at_once) == 3000 - MOST_WAITING
    assert {answer.status for answer in load.answers[len(at_once) :]} == {200}


def test_too_much_load_is_refused_at_once_and_slows_nobody_who_is_let_in(server: Server) -> None:
    """Ten queries at a time, a second each, for a hundred keys: that is a thousand a second."""
    with Proxy(server.conninfo, delay=1.0) as proxy, service(proxy.conninfo) as url:
        urls = [f"{url}/books/{author}" for author in range(1, 8001)]
        with loading(*urls, clients=300, pause=1.0) as little:
            time.sleep(6)
        with loading(*urls, clients=2600, retry=2.0) as much:
            time.sleep(10)
    usual = little.of_those_begun_after(little.answers[0].began + 2)
    much = much.of_those_begun_after(much.answers[0].began + 3)
    busy, refused = much.with_status(200), much.with_status(503)
    print(f"\n300 clients of a slow database: {usual}, 95 % within {usual.percentile(95):.2f} s")
    print(f"2600 clients: {busy}, 95 % within {busy.percentile(95):.2f} s")
    print(f"refused: {refused}, 95 % within {refused.percentile(95):.2f} s")

    assert usual.failed == []
    assert set(much.statuses) == {200, 503}
    assert busy.percentile(95) < 2 * usual.percentile(95) + 2 * SLACK
    assert refused.percentile(95) < SLACK
