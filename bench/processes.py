"""What processes use, as Linux counts it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, all of its threads together."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_seconds_of_family(pid: int) -> float:
    """What a process and its children have used so far, those that are gone included."""
    while True:
        gone, used = _cpu_seconds_of_the_gone(pid), cpu_seconds(pid)
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just gone
                if int(_stat(int(folder.name))[1]) == pid:
                    used += cpu_seconds(int(folder.name))
        if _cpu_seconds_of_the_gone(pid) == gone:  # else one went meanwhile, counted or not
            return used + gone


def _cpu_seconds_of_the_gone(pid: int) -> float:
    return sum(map(int, _stat(pid)[13:15])) / _TICKS


def cpu_seconds_of_machine() -> float:
    """What everybody has used so far, on all cores."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def resident(pid: int) -> float:
    """The memory of a process, in MB."""
    return _memory(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most memory it has had so far, in MB."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


def _stat(pid: int) -> list[str]:
    # Behind the name, which may have anything in it: state, parent, …
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
