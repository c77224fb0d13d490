"""A proxy before Postgres: counts round trips, makes the way longer, cuts it at chosen moments.

It reads the protocol's frames as they pass: a type, a length, a body. What a client sends before
it has heard the answer to what it sent before is the same round trip.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Callable

_SOCKET = ".s.PGSQL.5432"
_TERMINATE, _READY = b"X", b"Z"


@dataclass(frozen=True)
class Trip:
    """A message of a client on its way to the server."""

    number: int
    """Counted from 1, over all connections."""
    text: str
    """What it says, bytes that are no text left out."""


class Proxy:
    """Stands between clients and the server of a connection string, as long as it is entered."""

    def __init__(
        self,
        conninfo: str,
        *,
        delay: float = 0.0,
        cut_before: Callable[[Trip], bool] = lambda _: False,
        cut_answer: Callable[[Trip], bool] = lambda _: False,
        away: float = 0.0,
    ) -> None:
        """`delay` is spent, in seconds, on the way to the server.

        For which trip one of the others is true, the way is cut, for all connections alike: before
        the message reaches the server, or once the server has done it and answers. It stays cut
        for `away` seconds. This happens once.
        """
        self._parameters = conninfo_to_dict(conninfo)
        self._delay = delay
        self._cut_before = cut_before
        self._cut_answer = cut_answer
        self._away = away
        self._folder = tempfile.TemporaryDirectory(prefix="catalog-proxy-", dir="/tmp")
        self.conninfo = make_conninfo(conninfo, host=self._folder.name, port="", hostaddr="")
        """Leads to the same database, by way of this proxy."""
        self.trips: list[Trip] = []
        self.connections = 0
        self.cut = threading.Event()
        """Whether the way was cut."""
        self._back_at = 0.0
        self._changing = threading.RLock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listener.bind(str(Path(self._folder.name) / _SOCKET))
        self._listener.listen(100)
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut_all()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._folder.cleanup()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._changing:
                    if time.monotonic() < self._back_at or not (server := self._connect()):
                        client.close()
                        continue
                    self.connections += 1
                    self._open += [client, server]
                self._run(_Pair(self, client, server).carry)

    def _connect(self) -> socket.socket | None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(Path(str(self._parameters["host"])) / _SOCKET))
        except OSError:
            server.close()
            return None
        return server

    def request(self, message: bytes) -> bool:
        """Count a message; answers whether its answer is to get lost.

        Raises:
            ConnectionError: The way is cut.
        """
        with self._changing:
            trip = Trip(len(self.trips) + 1, message.decode(errors="ignore"))
            self.trips.append(trip)
            if not self.cut.is_set() and self._cut_before(trip):
                self.cut_all()
                raise ConnectionError
            lose = not self.cut.is_set() and self._cut_answer(trip)
        time.sleep(self._delay)
        return lose

    def cut_all(self) -> None:
        """Break every connection there is."""
        with self._changing:
            self._back_at = time.monotonic() + self._away
            self.cut.set()
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()


class _Pair:
    """A client's connection and the one that stands for it at the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._ready = False  # the server has asked for a first message
        self._answered = True  # … and has answered all there were
        self._losing = False  # the next answer goes no further

    def carry(self) -> None:
        """Pass on what both say, to the end."""
        answers = threading.Thread(target=self._carry_answers)
        answers.start()
        self._carry_requests()
        answers.join()
        self._client.close()
        self._server.close()

    def _carry_requests(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._server.sendall(self._startup())
            while True:
                kind, frame = _frame(self._client)
                if self._ready and self._answered and kind != _TERMINATE:
                    self._answered = False
                    self._losing = self._proxy.request(frame)
                self._server.sendall(frame)
        self._end()

    def _carry_answers(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, frame = _frame(self._server)
                if kind == _READY:
                    if self._losing:
                        self._proxy.cut_all()
                    self._ready = self._answered = True
                if not self._losing:
                    self._client.sendall(frame)
        self._end()

    def _startup(self) -> bytes:
        length = _exactly(self._client, 4)
        return length + _exactly(self._client, int.from_bytes(length) - 4)

    def _end(self) -> None:
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _frame(source: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(source, 1)
    length = _exactly(source, 4)
    return kind, kind + length + _exactly(source, int.from_bytes(length) - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
