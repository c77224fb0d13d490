"""Whether two runs agree: every ratio within a fifth."""

from __future__ import annotations

WITHIN = 0.2


def agreement(ratios: dict[str, float], earlier: dict[str, float]) -> str:
    """Say how many of the ratios that both runs have agree, and which do not."""
    both = sorted(ratios.keys() & earlier.keys())
    apart = [name for name in both if not _agree(ratios[name], earlier[name])]
    said = f"{len(both) - len(apart)} of {len(both)} ratios within {WITHIN:.0%} of the run before"
    told = (f"{name} {ratios[name]:.2f}, then {earlier[name]:.2f}" for name in apart)
    return said + "".join(f"; {one}" for one in told)


def _agree(one: float, other: float) -> bool:
    return max(one, other) <= min(one, other) * (1 + WITHIN)
