"""Clients that ask on and on over HTTP, and what became of it; and a service of its own to ask."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

from catalog.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BROKEN = 0
"""Stands for the status of a request that was not answered, or not to its end."""

_IDLE = 3.0  # seconds after which a client opens a new connection: servers close idle ones after 5


@dataclass
class Answer:
    """What became of one request."""

    began: float
    ended: float
    status: int

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Load:
    """All answers so far."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    @property
    def failed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status != 200]

    @property
    def longest(self) -> float:
        return max(answer.seconds for answer in self.answers)

    def percentile(self, percent: int) -> float:
        """Within so many seconds came that part of all answers."""
        seconds = sorted(answer.seconds for answer in self.answers)
        return seconds[(len(seconds) - 1) * percent // 100]

    def with_status(self, status: int) -> Load:
        return Load([answer for answer in self.answers if answer.status == status])

    def of_those_begun_after(self, moment: float) -> Load:
        return Load([answer for answer in self.answers if answer.began >= moment])

    def recovered(self, since: float) -> float:
        """Seconds until the first good answer after that moment."""
        return min(a.ended for a in self.answers if a.status == 200 and a.ended > since) - since

    def __str__(self) -> str:
        return (
            f"{len(self.answers)} requests, {len(self.failed)} failed "
            f"({dict(sorted(self.statuses.items()))}), the longest took {self.longest:.2f} s"
        )


@contextmanager
def loading(*urls: str, clients: int, pause: float = 0.0, retry: float = 0.01) -> Iterator[Load]:
    """Let so many clients ask for those addresses in turn, from now to the end of the block.

    Each waits for `pause` seconds after a good answer, and for `retry` after another one.
    """
    load = Load()
    over = threading.Event()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                turn = cycle([*urls[number % len(urls) :], *urls[: number % len(urls)]])
                group.create_task(_client(turn, load, over, pause, retry))

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield load
    finally:
        over.set()
        thread.join()


async def _client(
    urls: Iterator[str], load: Load, over: threading.Event, pause: float, retry: float
) -> None:
    streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
    used: dict[str, float] = {}
    while not over.is_set():
        address, slash, path = next(urls).removeprefix("http://").partition("/")
        began, status = time.monotonic(), _BROKEN
        with suppress(OSError, EOFError, asyncio.IncompleteReadError):
            if address in streams and began - used[address] > _IDLE:
                streams.pop(address)[1].close()
            if address not in streams:
                streams[address] = await asyncio.open_connection(*address.split(":"))
            began = time.monotonic()
            status = await _get(*streams[address], address, slash + path)
        used[address] = time.monotonic()
        if status == _BROKEN and address in streams:
            streams.pop(address)[1].close()
        load.answers.append(Answer(began, time.monotonic(), status))
        await asyncio.sleep(pause if status == 200 else retry)
    for _, writer in streams.values():
        writer.close()


async def _get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, target: str
) -> int:
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    return int(head.split()[1])


@contextmanager
def service(
    conninfo: str,
    log: list[str] | None = None,
    *,
    host: str = "127.0.0.1",
    netns: str | None = None,
    **variables: str,
) -> Iterator[str]:
    """`bin/serve` on that database, as a process of its own; yields its URL, fills its log.

    `netns` is the network namespace that it runs in.
    """
    inside = ["ip", "netns", "exec", netns] if netns else []
    process = subprocess.Popen(
        [*inside, sys.executable, "-m", "catalog.serve", "--host", host, "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": conninfo, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    errors = process.stderr
    lines = [] if log is None else log
    reading = threading.Thread(target=lambda: lines.extend(line.rstrip() for line in errors))
    reading.start()
    try:
        for line in process.stdout:
            if line.startswith("Serving on "):
                break
        else:
            raise AssertionError(lines)
        yield line.split()[2]
    finally:
        process.terminate()
        process.communicate(timeout=15)
        reading.join()


def fill(conninfo: str, authors: int = 100, books: int = 3) -> None:
    """Authors from 1 on, with books each."""
    import psycopg

    statements: Sequence[str] = (
        f"""INSERT INTO "Authors" (name) SELECT 'A' || n FROM generate_series(1, {authors}) AS n""",
        f"""INSERT INTO "Books" (title, "authorId")
            SELECT 'B', a FROM generate_series(1, {authors}) AS a, generate_series(1, {books})""",
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
