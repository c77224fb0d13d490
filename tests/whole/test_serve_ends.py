"""How `bin/serve` ends while it is busy: what was asked is answered, and nothing lasts for ever."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from catalog.settings import ROOT
from tests.database.test_api_long_lists import authors
from tests.whole.hammer import Count
from tests.whole.test_serve import serving

if TYPE_CHECKING:
    from tests.whole.test_serve import Service
    from tests.whole.trees import Tree

HEAD = b"HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.few(1)
@pytest.mark.parametrize("round_", range(5))
def test_under_load_no_request_that_was_read_is_dropped(
    tree: Tree, catalog_database: str, round_: int
) -> None:
    authors(catalog_database, 20)
    with (
        tempfile.TemporaryFile("w+") as log,
        serving(tree, "--access-log", log=log, DATABASE_URL=catalog_database) as service,
    ):
        clients = [
            hammering(service, 25, "kept", "/authors"),
            hammering(service, 25, "kept", "/"),
            hammering(service, 5, "fresh", "/books/1"),
        ]
        time.sleep(1.5 + round_ / 7)
        took = end(service)
        count = Count()
        for client in clients:
            said, complained = client.communicate(timeout=20)
            assert client.returncode == 0, complained
            count.add(Count(**json.loads(said)))
        log.seek(0)
        lines = log.read().splitlines()

    print(
        f"SIGTERM under load: sent {count.sent:,}, answered {count.answered:,}, failed"
        f" {count.otherwise}, closed before they were read {count.closed_kept} (kept) and"
        f" {count.closed_fresh} (fresh), refused {count.refused}, longest {count.longest_ms} ms,"
        f" exit after {took:.1f} s"
    )
    # Each request whose line was read is in the log: those were answered, and no other.
    assert {" cut off" in line or "catalog.access" not in line for line in lines} == {False}
    assert len(lines) == count.answered
    assert count.answered + count.closed_kept + count.closed_fresh == count.sent
    assert (count.otherwise, count.refused) == (0, 55)
    assert count.sent > 2 * 55
    assert count.closed_kept <= 2  # those that cross the end of an idle connection on their way
    assert took < 10


@pytest.mark.slow
def test_a_stream_that_does_not_end_is_cut_off_and_does_not_look_whole(
    tree: Tree, catalog_database: str
) -> None:
    authors(catalog_database, 200_000)
    with serving(tree, DATABASE_URL=catalog_database) as service:
        with asking(service, b"GET /authors " + HEAD) as client:
            received = bytearray(client.recv(1000))
            ending = threading.Thread(target=lambda: took.append(end(service)))
            took: list[float] = []
            ending.start()
            while data := client.recv(2000):
                received += data
                time.sleep(0.01)
            ending.join()
        assert service.process.stderr
        complained = service.process.stderr.read()

    print(f"SIGTERM with a stream that is read slowly: exit 0 after {took[0]:.1f} s, cut off")
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert not received.endswith(b"0\r\n\r\n")
    assert "requests that are cut off, after 7 s: 1" in complained
    assert "Traceback" not in complained
    assert took[0] < 10


@pytest.mark.slow
def test_a_stream_that_ends_soon_is_whole(tree: Tree, catalog_database: str) -> None:
    authors(catalog_database, 200_000)
    with serving(tree, DATABASE_URL=catalog_database) as service:
        with httpx.stream("GET", f"{service.url}/authors", timeout=20) as answer:
            blocks = answer.iter_bytes()
            first = next(blocks)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            rest = b"".join(blocks)
        assert service.process.wait(timeout=10) == 0

    assert len(json.loads(first + rest)) == 200_000


@pytest.mark.slow
def test_a_request_that_waits_is_answered_and_new_ones_are_refused(
    tree: Tree, catalog_database: str
) -> None:
    with serving(tree, DATABASE_URL=catalog_database) as service:
        port = int(service.url.rsplit(":", 1)[1])
        with (
            asking(service, b"GET / " + HEAD) as idle,
            psycopg.connect(catalog_database) as connection,
        ):
            assert an_answer(idle).startswith(b"HTTP/1.1 200 OK")
            connection.execute('LOCK TABLE "Authors"')
            with asking(service, b"GET /authors " + HEAD) as waiting:
                time.sleep(0.3)
                service.process.send_signal(signal.SIGTERM)
                time.sleep(0.8)
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port))
                assert idle.recv(1000) == b""
                connection.rollback()
                answer = an_answer(waiting)
                assert waiting.recv(1000) == b""
        assert service.process.wait(timeout=5) == 0

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n\r\n[]")
    assert b"connection: close" in answer


def test_a_request_whose_line_has_come_is_waited_for(tree: Tree, catalog_database: str) -> None:
    with serving(tree, DATABASE_URL=catalog_database) as service:
        with asking(service, b"GET /authors HTTP/1.1\r\nHo") as client:
            time.sleep(0.2)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            client.sendall(b"st: x\r\n\r\n")
            answer = an_answer(client)
        assert service.process.wait(timeout=5) == 0

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


def test_the_last_requests_on_kept_connections_are_told_that_they_are(
    tree: Tree, catalog_database: str
) -> None:
    with serving(tree, DATABASE_URL=catalog_database) as service:
        with asking(service, b"GET / " + HEAD) as client:
            first = an_answer(client)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)  # it takes up to a tenth to see the signal, and three to end this
            client.sendall(b"GET / " + HEAD)
            last = an_answer(client)
            nothing = client.recv(1000)
        assert service.process.wait(timeout=5) == 0

    assert first.startswith(b"HTTP/1.1 200 OK")
    # On a machine that is busy enough, it may have closed the connection before.
    if last:
        assert b"connection: close" in last
    assert b"connection: close" not in first
    assert nothing == b""


@pytest.mark.slow
def test_looking_for_pending_migrations_does_not_hold_it_up(tree: Tree, database: str) -> None:
    assert tree.run("migrate", "up", env={"DATABASE_URL": database}).code == 0
    with (
        serving(tree, DATABASE_URL=database) as service,
        psycopg.connect(database) as connection,
    ):
        connection.execute("LOCK TABLE schema_migrations")
        assert service.get("/readyz").status_code == 503
        assert service.get("/authors").status_code == 200
        took = end(service)

    print(f"SIGTERM while /readyz waits for a lock: exit 0 after {took:.1f} s")
    assert took < 5


def asking(service: Service, request: bytes) -> socket.socket:
    """A connection on which that was sent."""
    port = int(service.url.rsplit(":", 1)[1])
    client = socket.create_connection(("127.0.0.1", port), timeout=15)
    client.sendall(request)
    return client


def an_answer(client: socket.socket) -> bytes:
    """The next answer, as a whole; nothing if the connection is closed instead."""
    answer = b""
    while not (b"\r\n\r\n" in answer and answer.endswith((b"catalog.", b"]"))):
        if not (data := client.recv(10_000)):
            assert not answer
            break
        answer += data
    return answer


def end(service: Service) -> float:
    """End it with SIGTERM, which must end it well; how many seconds that took."""
    started = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=15) == 0
    return time.monotonic() - started


def hammering(service: Service, connections: int, kind: str, path: str) -> subprocess.Popen[str]:
    port = service.url.rsplit(":", 1)[1]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.whole.hammer", port, str(connections), kind, path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
