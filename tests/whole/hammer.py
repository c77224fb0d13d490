"""Clients that ask as fast as they are answered, until nobody listens any more.

    python -m tests.whole.hammer PORT CONNECTIONS kept|fresh PATH

Each keeps its connection, or makes a fresh one for each request. Prints what became of them.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass

_LONGEST = 60  # seconds; a service that goes on for longer does not end


@dataclass
class Count:
    """What became of requests."""

    sent: int = 0
    answered: int = 0
    """… with 200, and to the end."""
    otherwise: int = 0
    """… with another status, or not to the end."""
    closed_kept: int = 0
    """Connections that were closed before any answer, when they had had one before."""
    closed_fresh: int = 0
    """… and when they had not."""
    refused: int = 0
    longest_ms: int = 0

    def add(self, other: Count) -> None:
        """Count those of another process, too."""
        for name, value in asdict(other).items():
            mine = getattr(self, name)
            setattr(self, name, max(mine, value) if name == "longest_ms" else mine + value)


async def hammer(port: int, path: str, count: Count, *, keep: bool) -> None:
    """Ask, until a connection is refused."""
    connection = "keep-alive" if keep else "close"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n".encode()
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            count.refused += 1
            return
        answers = 0
        while await _ask(reader, writer, request, count, is_kept=answers > 0):
            answers += 1
        writer.close()


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    request: bytes,
    count: Count,
    *,
    is_kept: bool,
) -> bool:
    """Ask once, and tell whether one may ask again."""
    started = time.monotonic()
    count.sent += 1
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
    except asyncio.IncompleteReadError as exc:
        _unanswered(count, is_kept=is_kept, anything=bool(exc.partial))
        return False
    except OSError:
        _unanswered(count, is_kept=is_kept, anything=False)
        return False
    if head.startswith(b"HTTP/1.1 200 "):
        count.answered += 1
    else:
        count.otherwise += 1
    count.longest_ms = max(count.longest_ms, round((time.monotonic() - started) * 1000))
    return b"connection: close" not in head


def _unanswered(count: Count, *, is_kept: bool, anything: bool) -> None:
    if anything:
        count.otherwise += 1
    elif is_kept:
        count.closed_kept += 1
    else:
        count.closed_fresh += 1


async def main(port: str, connections: str, kind: str, path: str) -> None:
    """Hammer, and print the count."""
    count = Count()
    clients = (hammer(int(port), path, count, keep=kind == "kept") for _ in range(int(connections)))
    await asyncio.gather(*clients)
    sys.stdout.write(json.dumps(asdict(count)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
