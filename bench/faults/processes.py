"""A command of a tool that runs: in a group of its own, so that all of it can be ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LIMIT = 60.0
"""Seconds in which each command has to come to an end."""

# Not one that announces what is said in the next line.
_COMPLAINT = re.compile("error(?!.*:$)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None
    """`None` if it did not end by itself."""
    output: str

    @property
    def ok(self) -> bool:
        """Whether it says that all went well."""
        return self.code == 0

    @property
    def complaint(self) -> str:
        """The line of its output that says best what went wrong, in Markdown."""
        if self.code is None:
            return "it did not end"
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        said = [line for line in lines if _COMPLAINT.search(line)] or lines[-1:] or ["(no output)"]
        text = said[0][:120].replace("`", "'")
        return f"`{text}`"


def numberless(text: str) -> str:
    """The same without what differs from time to time."""
    return _NUMBER.sub("N", text)


@contextmanager
def started(command: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Started]:
    """A command, and an end to all that it starts."""
    # A file, not a pipe: one that nobody reads would hold it up.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running = Started(process, output)
        try:
            yield running
        finally:
            running.kill()


class Started:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self._process = process
        self._output = output

    @property
    def has_ended(self) -> bool:
        """Whether it has come to an end."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill it and all that it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self, limit: float = LIMIT) -> Ended:
        """Wait for it; after so many seconds it is killed."""
        try:
            code: int | None = self._process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        self._output.seek(0)
        return Ended(code, self._output.read().decode(errors="replace"))
