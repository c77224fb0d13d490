"""What a command takes: time, processor and memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STARTER = [sys.executable, "-I", "-S", str(Path(__file__).with_name("starter.py"))]


@dataclass(frozen=True)
class Cost:
    """What a command took, its children included."""

    seconds: float
    cpu: float
    """Seconds of the processor, in the kernel and outside."""
    memory: float
    """The most that one of its processes had, in MB."""


def cost(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command there, which has to succeed; if it does not, all ends with what it said."""
    with tempfile.NamedTemporaryFile(prefix="catalog-said-") as said:
        figures = subprocess.run(
            [*_STARTER, said.name, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        status, seconds, cpu, memory = figures.split()
        if status != "0":
            text = Path(said.name).read_text(errors="replace")
            sys.exit(f"{' '.join(command)[:500]}\nends with {status}:\n{text}")
    return Cost(float(seconds), float(cpu), float(memory))
