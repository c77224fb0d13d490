"""What a client may send, how long it may take, and what those who overdo it cost the others."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from catalog import http
from catalog.api.app import create_app
from catalog.http import LARGEST_HEAD
from catalog.sockets import listening
from tests.serving import running, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
LAST = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A service that needs no database for what is asked here."""
    with running(create_app("host=/nowhere")) as port:
        yield port


def ask(port: int, *parts: bytes) -> bytes:
    """All that is answered until the connection ends; sent on in spite of an answer."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        for part in parts:
            client.sendall(part)
        return b"".join(iter(lambda: client.recv(65536), b""))


def statuses(answers: bytes) -> list[int]:
    parts = answers.split(b"HTTP/1.1 ")[1:]
    return [int(part[:3]) for part in parts]


# --- How much


def padded(size: int) -> bytes:
    """A request whose head has so many bytes."""
    return GET + b"A: " + b"x" * (size - len(GET) - len(LAST) - 5) + b"\r\n" + LAST


@pytest.mark.parametrize(
    ("size", "status"), [(LARGEST_HEAD, 200), (LARGEST_HEAD + 1, 431), (64_000_000, 431)]
)
@pytest.mark.parametrize("packet", [1 << 30, 10_000])
def test_a_head_has_a_largest_size(port: int, size: int, status: int, packet: int) -> None:
    request = padded(size)
    parts = [request[start : start + packet] for start in range(0, len(request), packet)]

    assert statuses(ask(port, *parts)) == [status]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"x" * 65_000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST, 404),
        (b"GET /" + b"x" * 66_000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST, 414),
        (b"GET /search?q=" + b"x" * 10_000_000, 414),
        (GET + b"".join(b"A%d: x\r\n" % number for number in range(20_000)) + LAST, 431),
        (GET + b"A: x\r\n" * 1000 + LAST, 200),
        (b"GET " + b" " * 1_000_000, 431),
        (GET + b"x" * 1_000_000, 431),
    ],
    ids=["target", "long", "endless", "many", "some", "blanks", "name"],
)
def test_so_have_its_parts(port: int, request_: bytes, status: int) -> None:
    assert statuses(ask(port, request_)) == [status]


@pytest.mark.parametrize(
    ("request_", "status", "title"),
    [
        (b"GET /" + b"x" * 70_000, 414, "Request-URI Too Long"),
        (padded(70_000), 431, "Request Header Fields Too Large"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "Bad Request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "Bad Request"),
    ],
)
def test_who_is_refused_gets_a_problem_document(
    port: int, request_: bytes, status: int, title: str
) -> None:
    head, _, body = ask(port, request_).partition(b"\r\n\r\n")

    assert statuses(head) == [status]
    lines = [line.lower() for line in head.split(b"\r\n")]
    assert {b"content-type: application/problem+json", b"connection: close"} < set(lines)
    assert b"x-content-type-options: nosniff" in lines
    document = json.loads(body)
    assert (document["status"], document["title"].lower()) == (status, title.lower())


def test_requests_in_one_packet_are_not_counted_together(port: int) -> None:
    assert statuses(ask(port, (GET + b"\r\n") * 4000 + GET + LAST)) == [200] * 4001


def test_what_is_wrong_comes_after_the_answers_before_it(port: int) -> None:
    assert statuses(ask(port, (GET + b"\r\n") * 3 + b"\x00 nonsense")) == [200] * 3


def test_who_offers_to_change_the_protocol_is_answered_in_this_one(port: int) -> None:
    upgrade = GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"

    assert statuses(ask(port, upgrade + upgrade + GET + LAST)) == [200] * 3


def test_a_body_is_passed_over(port: int) -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000

    assert statuses(ask(port, post + GET + LAST)) == [405, 200]


@pytest.mark.parametrize("part", [b"A: bcd\r\n" * 8000, b"A" * 64_000], ids=["many", "long"])
def test_what_follows_a_body_has_an_end(port: int, part: bytes) -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "
    started = time.monotonic()

    assert statuses(ask(port, post, *[part] * 200)) == [405]
    assert time.monotonic() - started < 8  # long before a body that trickles is given up


# --- How long


def test_who_begins_and_does_not_end_is_told_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_TIME", 0.5)
    started = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        sender = threading.Thread(target=trickle, args=[client])
        sender.start()
        answer = client.recv(1000)
        sender.join()

    assert statuses(answer) == [408]
    assert time.monotonic() - started < 5


def test_who_hangs_up_in_the_midst_of_a_head_is_forgotten(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http, "HEAD_TIME", 0.3)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        client.sendall(GET)
        time.sleep(0.1)
        # A reset, and no orderly end.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.6)

    assert caplog.messages == []


def trickle(client: socket.socket) -> None:
    try:
        for byte in GET * 2:
            client.sendall(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        pass  # it was closed


def test_who_says_nothing_hears_nothing(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_TIME", 0.3)

    assert ask(port) == b""


def test_a_body_that_trickles_does_not_hold_its_connection(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "HEAD_TIME", 0.5)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        sender = threading.Thread(target=trickle, args=[client])
        sender.start()
        assert statuses(client.recv(1000)) == [405]
        assert client.recv(1000) == b""
        sender.join()


@pytest.mark.slow
def test_who_takes_nothing_of_an_answer_is_gone_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catalog.sockets._UNTAKEN", 1000)
    with listening("127.0.0.1", 0) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        with closing(socket.socket()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            with closing(server):
                server.settimeout(15)
                with pytest.raises(OSError, match="timed out") as caught:
                    server.sendall(b"x" * 10_000_000)

    assert caught.value.errno  # the connection's end, not that of the test's patience


# --- At what cost to others


@pytest.mark.slow
def test_idle_and_slow_clients_keep_nobody_from_being_served(catalog_database: str) -> None:
    stop = threading.Event()
    with ExitStack() as opened, served(catalog_database) as client:
        address = ("127.0.0.1", client.base_url.port or 0)

        def connect() -> socket.socket:
            return opened.enter_context(closing(socket.create_connection(address, timeout=10)))

        idle = [connect() for _ in range(1000)]
        for each in idle:
            each.sendall(GET + b"\r\n")
        for each in idle:
            assert each.recv(1000).startswith(b"HTTP/1.1 200 OK")
        slow = [connect() for _ in range(200)]
        sender = threading.Thread(target=trickle_all, args=[slow, stop])
        sender.start()
        spent = []
        end = time.monotonic() + 3
        while (started := time.monotonic()) < end:
            assert client.get("/authors").status_code == 200
            spent.append(time.monotonic() - started)
        stop.set()
        sender.join()
        still = sum(is_open(each) for each in idle)

    spent.sort()
    print(
        f"1,000 idle and 200 slow clients: sent {len(spent):,}, failed 0, median"
        f" {spent[len(spent) // 2] * 1000:.1f} ms, longest {spent[-1] * 1000:.0f} ms"
    )
    assert still == 1000  # idling is no offence, for as long as `KEEP_ALIVE`
    assert spent[len(spent) // 2] < 1


def trickle_all(clients: list[socket.socket], stop: threading.Event) -> None:
    for byte in GET:
        for client in clients:
            client.sendall(bytes([byte]))
        if stop.wait(1):
            return


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True


# --- What every answer says, and does not


@pytest.mark.parametrize("path", ["/", "/authors", "/nothing", "/books/abc", "/livez", "/readyz"])
def test_every_answer_is_what_it_says_and_names_no_software(
    catalog_database: str, path: str
) -> None:
    with served(catalog_database) as client:
        answers: list[httpx.Response] = [client.get(path), client.post(path), client.options(path)]

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        told = str(answer.headers).lower() + answer.text.lower()
        for word in ("uvicorn", "starlette", "python", "psycopg", "postgres", "select"):
            assert word not in told
