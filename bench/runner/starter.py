"""Starts a command, and tells what it took: the small process between the benchmarks and it.

    python -I -S bench/runner/starter.py FILE COMMAND...

A process's peak of memory counts from what its parent had, and the benchmarks have more than a
small program. Its output goes to the file; ours are its exit status, its seconds, those of the
processor for it and its children, and the most memory that one of them had, in MB.
"""

from __future__ import annotations

import os
import sys
import time

output = os.open(sys.argv[1], os.O_WRONLY)
began = time.perf_counter()
if not (child := os.fork()):
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
_, status, used = os.wait4(child, 0)
seconds = time.perf_counter() - began
cpu = used.ru_utime + used.ru_stime
print(os.waitstatus_to_exitcode(status), seconds, cpu, used.ru_maxrss / 1024)
