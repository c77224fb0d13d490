"""How far it is, for whoever waits."""

from __future__ import annotations

import sys
import time

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """Tell it on stderr: in place on a terminal, else a line of its own."""
    line = f"[{time.monotonic() - _BEGAN:4.0f} s] {text}"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)
