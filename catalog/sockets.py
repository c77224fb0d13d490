"""What the service takes of the machine: its port, and as many open files as it has clients."""

from __future__ import annotations

import os
import resource
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from catalog.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_FILES = 65_536  # open at once, where there is no lower limit
_UNTAKEN = 30_000  # milliseconds that what was sent may wait for its client

# Bytes that the kernel may hold that are not on their way yet. It would hold megabytes, wait until
# a third of them are taken, and so let whoever reads 100 KB/s look like somebody who reads nothing.
_UNSENT = 128 * 1024


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The port, taken before anything is started for it.

    Raises:
        SettingsError: It is in use, or the host is not one of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as exc:
        # create_server adds the address to the words for an errno; the resolver has its own words.
        own_words = isinstance(exc, socket.gaierror) or not exc.errno
        reason = (str(exc.strerror or exc) if own_words else os.strerror(exc.errno or 0)).lower()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {reason}",
            "choose another with --port or PORT, --host or CATALOG_HOST",
        ) from exc
    with listener:
        # Its connections inherit both.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        if sys.platform == "linux":
            # Who takes nothing of an answer for so long is gone.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN)
        yield listener


def raise_file_limit() -> None:
    """Allow as many open files as may be, of which each connection is one.

    The usual soft limit of 1024 is there for the sake of `select`, which nothing here uses.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # macOS has another limit, which it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
