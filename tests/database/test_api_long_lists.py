"""Lists of any size: short ones as a whole, long ones in a stream of their own for each reader."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from catalog.api import responses, streaming
from catalog.api.lists import BUFFERED
from catalog.api.reading import Reader
from catalog.api.streaming import MOST_STREAMS, Stream, TooManyStreams
from tests import plain_queries
from tests.database.test_api_outages import backends, terminate, wait_until
from tests.serving import served
from tests.whole.servers import free_port
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 60_000  # rows, that are more than what sockets buffer


def books(conninfo: str, author: int, count: int, title: str = "A title") -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "Authors" (id, name) VALUES (%s, NULL) ON CONFLICT DO NOTHING', [author]
        )
        connection.execute(
            'INSERT INTO "Books" (title, "authorId", "createdAt", "updatedAt")'
            " SELECT %s, %s, '2026-01-01', '2026-01-01' FROM generate_series(1, %s)",
            [title, author, count],
        )


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


def authors(conninfo: str, count: int) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO "Authors" (name, bio)
               SELECT 'Author ' || n, 'A bio of a moderate length'
                 FROM generate_series(1, %s) AS n""",
            [count],
        )


async def whole(found: bytes | Stream) -> bytes:
    return found if isinstance(found, bytes) else b"".join([block async for block in found])


# --- Where the line is


@pytest.mark.parametrize(
    ("bytes_beyond", "streamed"), [(-1, False), (0, False), (1, True)], ids=str
)
def test_a_list_of_so_many_bytes_is_held_and_a_longer_one_streamed(
    catalog_database: str, bytes_beyond: int, streamed: bool
) -> None:
    books(catalog_database, 1, 900, "")
    with served(catalog_database) as client, psycopg.connect(catalog_database) as connection:
        missing = BUFFERED + bytes_beyond - len(client.get("/books/1").content)
        connection.execute(
            """UPDATE "Books" SET title = repeat('t', %s + (id <= %s)::int)""",
            divmod(missing, 900),
        )
        connection.commit()
        answer = client.get("/books/1")

    assert len(answer.content) == BUFFERED + bytes_beyond
    assert len(answer.json()) == 900
    assert ("content-length" in answer.headers) is not streamed
    assert (answer.headers.get("transfer-encoding") == "chunked") is streamed
    assert ("etag" in answer.headers) is not streamed
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("count", [1000, 1001, 1900, 3000, LONG])
def test_a_list_of_any_length_is_the_same_to_the_byte(catalog_database: str, count: int) -> None:
    books(catalog_database, 1, count)
    books(catalog_database, 2, 3)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            found = await reader.books_of_author(1)
            body = await whole(found)
            assert isinstance(found, bytes) is (len(body) <= BUFFERED)
            assert body == await reader.read(plain_queries.BOOKS_OF_AUTHOR, [1])
            assert len(json.loads(body)) == count

    asyncio.run(run())


@pytest.mark.few(3)
@pytest.mark.parametrize("count", [1000, 1001, 1900, 3000, LONG])
def test_so_are_all_authors(catalog_database: str, count: int) -> None:
    authors(catalog_database, count)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            body = await whole(await reader.authors())
            assert body == await reader.read(plain_queries.AUTHORS)
            assert len(json.loads(body)) == count

    asyncio.run(run())


def test_long_items_come_in_blocks_that_a_slow_reader_can_take(catalog_database: str) -> None:
    execute(catalog_database, 'ALTER TABLE "Books" ALTER title TYPE text')
    books(catalog_database, 1, 3000)
    for size in (300_000, 10_000_000, 1, 300_000):
        books(catalog_database, 1, 1, "t" * size)
    books(catalog_database, 2, 1, "t" * 10_000_000)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            for author in (1, 2):
                found = await reader.books_of_author(author)
                assert isinstance(found, Stream)
                blocks = [block async for block in found]
                assert max(map(len, blocks)) <= 128 * 1024
                whole = await reader.read(plain_queries.BOOKS_OF_AUTHOR, [author])
                assert b"".join(blocks) == whole

    asyncio.run(run())


def test_a_long_list_takes_no_further_trip(catalog_database: str) -> None:
    books(catalog_database, 1, 5000)
    with Wire(catalog_database) as wire, served(wire.conninfo) as client:
        client.get("/books/1")
        wire.answers.clear()
        assert len(client.get("/books/1").json()) == 5000

    assert wire.answers == ["I"]


def test_long_and_short_ones_that_wait_together_all_come(catalog_database: str) -> None:
    for author, count in enumerate([1, 3000, 0, 1500, 3000, 2, 3500], start=1):
        books(catalog_database, author, count)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            await reader.books_of_author(99)
            asked = [99, *range(1, 8), 2, 5, 8]
            found = await asyncio.gather(*map(reader.books_of_author, asked))
            bodies = await asyncio.gather(*map(whole, found))
            for author, body in zip(asked, bodies, strict=True):
                assert body == await reader.read(plain_queries.BOOKS_OF_AUTHOR, [author])
            streams = [one for one in found if isinstance(one, Stream)]
            assert len({id(one) for one in streams}) == len(streams) == 5

    asyncio.run(run())


def test_head_streams_nothing(catalog_database: str) -> None:
    authors(catalog_database, LONG)
    with served(catalog_database) as client:
        for _ in range(2 * MOST_STREAMS):
            head = client.head("/authors")
            assert (head.status_code, head.content) == (200, b"")
            assert "etag" not in head.headers
            assert head.headers["cache-control"] == "no-cache"
        wait_until(lambda: {state for _, state in backends(catalog_database)} <= {"idle"})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_any_of_it_is_told_so(catalog_database: str, method: str) -> None:
    authors(catalog_database, LONG)
    with served(catalog_database) as client:
        for _ in range(2 * MOST_STREAMS):
            answer = client.request(method, "/authors", headers={"If-None-Match": "*"})
            assert (answer.status_code, answer.content) == (304, b"")
            assert "etag" not in answer.headers
            assert answer.headers["cache-control"] == "no-cache"
        wait_until(lambda: {state for _, state in backends(catalog_database)} <= {"idle"})
        answer = client.head("/authors", headers={"If-None-Match": '"", ""*"", W/"*"'})
        assert answer.status_code == 200


# --- Readers who take their time


class SlowReader:
    """Asks for a list, and takes what comes at the test's pace."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._socket.settimeout(20)
        self._socket.connect((client.base_url.host, client.base_url.port))
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        self.taken = self._socket.recv(1024)

    def __enter__(self) -> SlowReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def status(self) -> int:
        return int(self.taken.split()[1])

    def take_all(self) -> bytes:
        """Everything up to the end, or until the connection is closed."""
        while not self.taken.endswith(b"\r\n0\r\n\r\n"):
            try:
                more = self._socket.recv(65536)
            except ConnectionError:
                break
            if not more:
                break
            self.taken += more
        return self.taken


def is_complete(taken: bytes) -> bool:
    return taken.endswith(b"\r\n0\r\n\r\n")


def test_slow_readers_are_only_so_many_and_leave_others_their_reads(
    catalog_database: str,
) -> None:
    authors(catalog_database, LONG)
    books(catalog_database, 1, 3)
    with served(catalog_database) as client, ExitStack() as reading:
        slow = [reading.enter_context(SlowReader(client, "/authors")) for _ in range(MOST_STREAMS)]
        assert [one.status for one in slow] == [200] * MOST_STREAMS

        refused = client.get("/authors")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "long lists" in refused.json()["detail"]
        with ThreadPoolExecutor(20) as threads:
            started = time.monotonic()
            answers = list(threads.map(client.get, ["/books/1", "/books/2"] * 100))
            assert {answer.status_code for answer in answers} == {200}
            assert time.monotonic() - started < 5

        assert all(is_complete(one.take_all()) for one in slow)
        with client.stream("GET", "/authors") as again:
            assert again.status_code == 200


def test_with_so_many_streams_only_long_lists_are_refused(catalog_database: str) -> None:
    """Even if they are asked for together, and need to be read to see that they are not long."""
    for author, count in enumerate([LONG, 3000, 1500, 3, 3000, 1001], start=1):
        books(catalog_database, author, count)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            streams = [await reader.books_of_author(1) for _ in range(MOST_STREAMS)]
            found = await asyncio.gather(
                *map(reader.books_of_author, [4, 2, 3, 4, 5, 6, 2, 3]), return_exceptions=True
            )
            long = [isinstance(one, TooManyStreams) for one in found]
            assert long == [False, True, False, False, True, False, True, False]
            for one in streams:
                assert isinstance(one, Stream)
                one.close()
            assert isinstance(await reader.books_of_author(2), Stream)

    asyncio.run(run())


def test_an_end_is_made_of_who_stops_reading(
    catalog_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streaming, "STALL", 0.5)
    monkeypatch.setattr(responses, "STALL", 0.5)
    authors(catalog_database, LONG)
    with served(catalog_database) as client, SlowReader(client, "/authors") as slow:
        assert backends(catalog_database)[0][1] == "active"
        wait_until(lambda: {state for _, state in backends(catalog_database)} <= {"idle"})

        assert not is_complete(slow.take_all())
        assert slow.taken.startswith(b"HTTP/1.1 200")

    assert "a long list was cut off: its reader took nothing for 0.5 s" in caplog.messages
    assert "Traceback" not in caplog.text


def test_a_reader_who_pauses_gets_it_all(catalog_database: str) -> None:
    authors(catalog_database, LONG)
    with served(catalog_database) as client, SlowReader(client, "/authors") as slow:
        time.sleep(1)

        assert is_complete(slow.take_all())


@pytest.mark.slow
def test_a_reader_who_goes_away_ends_the_query(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    authors(catalog_database, LONG)
    with served(catalog_database) as client:
        for _ in range(2 * MOST_STREAMS):
            with SlowReader(client, "/authors") as slow:
                assert slow.status == 200
            wait_until(lambda: {state for _, state in backends(catalog_database)} <= {"idle"})
        assert len(client.get("/authors").json()) == LONG

    assert caplog.text == ""


@pytest.mark.slow
def test_a_stream_that_nobody_reads_is_ended(
    catalog_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "STALL", 3)
    authors(catalog_database, LONG)

    async def run() -> None:
        async with Reader(catalog_database) as reader:
            left = [await reader.authors() for _ in range(MOST_STREAMS)]
            with pytest.raises(TooManyStreams):
                await reader.authors()
            await asyncio.sleep(4)
            last = await reader.authors()
            assert isinstance(last, Stream)
            last.close()
            with pytest.raises(streaming.StreamBroken):
                await whole(left[0])
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


# --- Streams that break


def test_a_stream_that_breaks_is_no_shorter_list(
    catalog_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    authors(catalog_database, LONG)
    with served(catalog_database) as client:
        with SlowReader(client, "/authors") as slow:
            terminate(catalog_database)
            assert not is_complete(slow.take_all())
        with client.stream("GET", "/authors") as answer:
            terminate(catalog_database)
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        assert len(client.get("/authors").json()) == LONG

    # In the server's words, or without them where the connection was gone before they came.
    said = [line for line in caplog.messages if line.startswith("a long list was cut off: ")]
    assert len(said) == 2
    assert "Traceback" not in caplog.text


def test_what_fails_before_it_is_long_is_an_error(catalog_database: str) -> None:
    books(catalog_database, 1, 2500)
    fail_at(catalog_database, 1200)
    with served(catalog_database) as client:
        assert client.get("/books/1").status_code == 500
        assert client.get("/books/2").status_code == 200


def test_what_fails_after_that_breaks(catalog_database: str) -> None:
    books(catalog_database, 1, LONG)
    fail_at(catalog_database, LONG - 10)
    with served(catalog_database) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/books/1")
        assert client.get("/books/2").status_code == 200


def fail_at(conninfo: str, book: int) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute('ALTER TABLE "Books" RENAME TO "RealBooks"')
        connection.execute(
            f"""
            CREATE VIEW "Books" AS
            SELECT id, "createdAt", "updatedAt", "authorId",
                   CASE WHEN id / {book} = 1 THEN (1 / ({book} - id))::text ELSE title END AS title
              FROM "RealBooks"
            """.encode()
        )


# --- Memory


@contextmanager
def process_serving(conninfo: str) -> Iterator[tuple[str, int]]:
    """The service in a process of its own: its address, and the process's id."""
    port = free_port()
    program = (
        "import sys, uvicorn; from catalog.api.app import create_app;"
        "uvicorn.run(create_app(sys.argv[1]), port=int(sys.argv[2]), log_level='warning')"
    )
    with subprocess.Popen([sys.executable, "-c", program, conninfo, str(port)]) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            while True:
                try:
                    httpx.get(f"{url}/books/1")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield url, process.pid
        finally:
            process.terminate()


def peak(pid: int) -> float:
    """Megabytes that a process has held at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


@pytest.mark.slow
def test_a_million_authors_pass_through_little_memory(catalog_database: str) -> None:
    authors(catalog_database, 1_000_000)

    def read(url: str, pause: float = 0) -> int:
        size = 0
        with httpx.stream("GET", f"{url}/authors", timeout=120) as answer:
            for block in answer.iter_raw(65536):
                size += len(block)
                time.sleep(pause)
        return size

    with process_serving(catalog_database) as (url, pid):
        before = peak(pid)
        started = time.monotonic()
        with httpx.stream("GET", f"{url}/authors", timeout=30) as answer:
            next(answer.iter_raw(1))
            assert time.monotonic() - started < 1

        size = read(url)
        assert size > 100_000_000
        assert peak(pid) - before < 32
        with ThreadPoolExecutor(MOST_STREAMS) as threads:
            # The one above has been noticed to be gone by now.
            reads = [threads.submit(read, url, 0.0001) for _ in range(MOST_STREAMS)]
            assert {one.result() for one in reads} == {size}
        assert peak(pid) - before < 64
    assert threading.active_count() < 10
