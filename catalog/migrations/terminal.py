"""Lines on a terminal: events as they come, and one live line for a script that takes long."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, TextIO

from catalog.migrations import report
from catalog.migrations.events import Running

if TYPE_CHECKING:
    from catalog.migrations.events import Event

_ERASE = "\r\x1b[K"


class Terminal:
    """Shows events; those of the watching thread and those of the run do not mix."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_live = out.isatty() and os.environ.get("TERM") != "dumb"
        self._live = ""
        self._one_at_a_time = threading.Lock()

    def show(self, event: Event) -> None:
        """Print the event's line, or write the live one over."""
        with self._one_at_a_time:
            if isinstance(event, Running):
                if self.is_live:
                    width = shutil.get_terminal_size().columns
                    self._live = report.live_line(event, width)
                    self._out.write(_ERASE + self._live)
            elif line := report.event_line(event):
                self._clear()
                self._out.write(f"{line}\n")
            self._out.flush()

    def clear(self) -> None:
        """Take the live line away, before something else is printed."""
        with self._one_at_a_time:
            self._clear()
            self._out.flush()

    def _clear(self) -> None:
        if self._live:
            self._out.write(_ERASE)
            self._live = ""
