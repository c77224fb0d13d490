"""A terminal for a command to run on: it believes that a person sits there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.whole.projects import Project

ERASE = "\r\x1b[K"
COLOUR = re.compile(r"\x1b\[\d*m")
_LONGEST = 60  # seconds
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Shown:
    """What a command left on the terminal, and how it ended."""

    code: int
    text: str
    """Everything, with what was written over."""

    @property
    def live(self) -> list[str]:
        """The versions of the live line, in order."""
        parts = self.text.split(ERASE)[1:]
        return [part.partition("\n")[0] for part in parts if part and "\n" not in part]

    @property
    def lines(self) -> list[str]:
        """The lines that stay, without their colours."""
        text = COLOUR.sub("", self.text.removesuffix("\n"))
        return [line.rpartition(ERASE)[2] for line in text.split("\n")]


def on_terminal(
    project: Project,
    *arguments: str,
    columns: int = 80,
    answer: str = "",
    when_asked: Callable[[], None] = lambda: None,
    env: dict[str, str] | None = None,
) -> Shown:
    """Run `bin/migrate` on a terminal; at `[y/N]` do something, then type an answer."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {"DATABASE_URL": project.database, "TERM": "xterm", **(env or {})}
    command = project.tree.path / "bin/migrate"
    with subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, command, "--dir", project.folder, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=project.folder,
        env=project.tree.environment(**variables),
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + _LONGEST
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while True:
                if not select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    process.kill()
                    raise AssertionError(f"hangs after: {shown.decode()}")
                data = os.read(ours, 65536)
                if not data:
                    break
                shown += data
                if answer and shown.endswith(b"[y/N] "):
                    when_asked()
                    os.write(ours, answer.encode())
                    answer = ""
        code = process.wait(_LONGEST)
    os.close(ours)
    return Shown(code, shown.decode().replace("\r\n", "\n"))
