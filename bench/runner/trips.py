"""How many times a tool goes to the database and back, counted on the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.runner.trial import STEPS
from tests.whole.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.runner.trial import Trials
    from bench.tools import Tool


@dataclass(frozen=True)
class Trips:
    """What one step took."""

    trips: int
    """Once connected."""
    connections: int


def trips(place: Trials, tools: Sequence[Tool], count: int) -> dict[str, dict[str, Trips]]:
    """Count those of each step with so many migrations, by tool; `down` takes back all."""

    def of(tool: Tool) -> dict[str, Trips]:
        trial = place.new(tool, count)
        counted = {}
        with Proxy(trial.conninfo) as proxy:
            for step in STEPS:
                before = len(proxy.trips), proxy.connections
                if trial.take(step, by_way_of=proxy.conninfo, back=count):
                    counted[step] = Trips(
                        len(proxy.trips) - before[0], proxy.connections - before[1]
                    )
        return counted

    # Nobody looks at the clock meanwhile.
    with ThreadPoolExecutor(len(tools)) as threads:
        return dict(zip([tool.name for tool in tools], threads.map(of, tools), strict=True))
