"""One long answer read to its end, by a reader that keeps none of it: sockets, and nothing else."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

_BLOCK = 256 * 1024


@dataclass(frozen=True)
class Read:
    """How long it took, in seconds from before the connection was made."""

    first: float
    """… to the first byte of the answer."""
    total: float


class NoAnswer(Exception):
    """There was none, or not the whole; says why."""


def read(url: str, within: float) -> Read:
    """Ask for it, on a connection of its own, and read all of the answer.

    Raises:
        NoAnswer: It did not come within so many seconds, or it broke off, or is an error.
    """
    where = urlsplit(url)
    wanted = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n"
    began = time.monotonic()
    try:
        with socket.create_connection((where.hostname or "", where.port or 80)) as connection:
            connection.sendall(wanted.encode())
            connection.settimeout(within)
            start = end = connection.recv(_BLOCK)
            first, count, block = time.monotonic(), len(start), bytearray(_BLOCK)
            while size := connection.recv_into(block):
                count += size
                end = (end + block[max(size - 8, 0) : size])[-8:]
                connection.settimeout(max(began + within - time.monotonic(), 0.001))
            last = time.monotonic()
    except TimeoutError:
        raise NoAnswer(f"no whole answer within {within:g} s") from None
    except OSError as exc:
        raise NoAnswer(f"the connection ended: {exc.strerror}") from None
    _look_whether_whole(start, count, end)
    return Read(first - began, last - began)


def _look_whether_whole(start: bytes, count: int, end: bytes) -> None:
    head, blank, _ = start.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (_.partition(":") for _ in lines)}
    if " 200 " not in f"{status} ":
        raise NoAnswer(f"the answer is {status!r}")
    expected = headers.get("content-length")
    is_whole = (
        end.endswith(b"\r\n0\r\n\r\n")
        if expected is None
        else count == len(head + blank) + int(expected)
    )
    if not is_whole:
        raise NoAnswer(f"the answer broke off after {count:,} bytes")
