"""Where a command speaks: events as they come, and one live line for a script that takes long.

On a terminal what is said fits it, and has colours; anywhere else it is plain text.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, TextIO

from catalog.migrations import report, screen
from catalog.migrations.events import Running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.migrations.events import Event

_ERASE = "\r\x1b[K"
_USUAL_COLUMNS = 80


class Terminal:
    """Shows events; those of the watching thread and those of the run do not mix."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_live = _is_screen(out)
        self._name_width = report.NAME_WIDTH
        self._live = ""
        self._one_at_a_time = threading.Lock()

    @property
    def columns(self) -> int | None:
        """How many there are, where text has to fit them."""
        return _columns_of(self._out) if self.is_live else None

    def align(self, names: Sequence[str]) -> int:
        """Make room for these names in a column, and return how wide it is."""
        self._name_width = report.name_width(names, self.columns)
        return self._name_width

    def show(self, event: Event) -> None:
        """Print the event's line, or write the live one over."""
        with self._one_at_a_time:
            if isinstance(event, Running):
                if self.columns:
                    self._live = report.live_line(event, self.columns)
                    self._out.write(_ERASE + self._live)
            elif line := report.event_line(event, self._name_width):
                self._clear()
                self._out.write(f"{laid_out(line, self._out)}\n")
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


def laid_out(text: str, out: TextIO, *, failure: bool = False) -> str:
    """A text as it is to be written there."""
    if not _is_screen(out):
        return text
    lay_out = screen.failure if failure else screen.result
    return lay_out(text, _columns_of(out), coloured=not os.environ.get("NO_COLOR"))


def _columns_of(out: TextIO) -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(out.fileno()).columns or _USUAL_COLUMNS
    except (OSError, ValueError):
        return _USUAL_COLUMNS


def _is_screen(out: TextIO) -> bool:
    return out.isatty() and os.environ.get("TERM") != "dumb"
