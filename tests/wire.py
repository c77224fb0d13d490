"""A wire to Postgres that can be listened to and cut."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SOCKET = ".s.PGSQL.5432"


class Wire:
    """Passes on what client and server say to each other, and counts the answers."""

    def __init__(self, conninfo: str) -> None:
        self._target = str(Path(str(conninfo_to_dict(conninfo)["host"])) / _SOCKET)
        self._folder = tempfile.TemporaryDirectory(prefix="catalog-wire-", dir="/tmp")
        self.conninfo = make_conninfo(conninfo, host=self._folder.name)
        """Leads to the same database, by way of this wire."""
        self.answers: list[str] = []
        """How each answer of the server left the session: `I` means in no transaction.

        The one that ends a connection's start is not among them: a pool makes connections when it
        likes, one of them after all that a test has asked for, perhaps.
        """
        self._quiet = threading.Event()
        self._awake_at = 0.0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)

    def fall_asleep(self, seconds: float) -> None:
        """Close all connections; take new ones, and pass nothing on until so much later."""
        self._awake_at = time.monotonic() + seconds
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def fall_silent(self) -> None:
        """Pass nothing on any more, without closing anything."""
        self._quiet.set()

    def __enter__(self) -> Self:
        self._listener.bind(str(Path(self._folder.name) / _SOCKET))
        self._listener.listen(50)
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in [self._listener, *self._open]:
            one.close()
        self._folder.cleanup()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                self._open += [client, server]
                server.connect(self._target)
                self._start(self._pass_on, client, server, False)
                self._start(self._pass_on, server, client, True)

    def _pass_on(self, source: socket.socket, target: socket.socket, count: bool) -> None:
        unread, started = b"", False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                time.sleep(max(0.0, self._awake_at - time.monotonic()))
                if self._quiet.is_set():
                    continue
                if count:
                    states, unread = _ends_of_answers(unread + data)
                    self.answers += states if started else states[1:]
                    started = started or bool(states)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def _ends_of_answers(data: bytes) -> tuple[list[str], bytes]:
    """What each ReadyForQuery says, which ends an answer, and the beginning of a message."""
    states = []
    while len(data) >= 5 and len(data) > (length := int.from_bytes(data[1:5], "big")):
        if data[:1] == b"Z":
            states.append(data[5:6].decode())
        data = data[length + 1 :]
    return states, data
