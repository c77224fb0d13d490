"""Whether two runs on one machine agree: every ratio within a fifth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results import Section

WITHIN = 0.2


def agreement(now: Section, before: Section | None) -> str:
    """Say how many of the ratios that both have agree, and which do not; nothing of other runs."""
    alike = ("Run", "Machine")
    if before is None or [before.machine[name] for name in alike] != [
        now.machine[name] for name in alike
    ]:
        return ""
    both = sorted(now.ratios.keys() & before.ratios.keys())
    apart = [name for name in both if not _agree(now.ratios[name], before.ratios[name])]
    told = (f"; {name} {now.ratios[name]:.2f}, before {before.ratios[name]:.2f}" for name in apart)
    return (
        f"{len(both) - len(apart)} of {len(both)} ratios are within {WITHIN:.0%} of the run before,"
        f" at {before.machine['Commit']}{''.join(told)}"
    )


def _agree(one: float, other: float) -> bool:
    return max(one, other) <= min(one, other) * (1 + WITHIN)
