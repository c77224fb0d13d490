"""Where `bin/migrate` begins, and `migrate`, the command of whoever installed the package."""

from __future__ import annotations

import gc
import signal
import sys


def main() -> int:
    """Run the command line, and return its exit code."""
    # Ctrl-C while the rest is imported ends it without a traceback; the rest changes that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # All that is imported stays. To look for garbage in it, now and again at the exit, took a fifth
    # of the time of a run with nothing to do.
    gc.disable()
    from catalog.migrations import cli

    gc.freeze()
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
