"""How answers go out: in one piece, and all of them."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from tests.serving import insert, served

if TYPE_CHECKING:
    import httpx


def connect(client: httpx.Client) -> socket.socket:
    url = client.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=20)


def packets_from(connection: socket.socket) -> int:
    """How many with data in them have come, as Linux counts them."""
    size = 160
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    count: int = struct.unpack_from("I", info, size - 8)[0]  # tcpi_data_segs_in
    return count


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its counts")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_head_and_body_come_as_one(catalog_database: str, method: str) -> None:
    insert(catalog_database, "Authors", {"name": "Ada"})
    request = f"{method} /authors HTTP/1.1\r\nHost: here\r\n\r\n".encode()

    with served(catalog_database) as client, connect(client) as connection:
        body = client.get("/authors").content
        for number in range(20):
            connection.sendall(request)
            head, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert f"content-length: {len(body)}".encode() in head
            assert rest == (body if method == "GET" else b"")
            assert packets_from(connection) == number + 1


def test_the_last_answer_of_a_connection_is_not_lost(catalog_database: str) -> None:
    with served(catalog_database) as client, connect(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"Hello World! This is a book catalog.")


def test_who_asks_and_closes_its_own_end_is_answered(catalog_database: str) -> None:
    with served(catalog_database) as client:
        for _ in range(20):
            with connect(client) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.endswith(b"Hello World! This is a book catalog.")
