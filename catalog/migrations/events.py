"""What happens during a run, as values: `report` words them, `cli` shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.errors import Blocked


@dataclass(frozen=True)
class Waiting:
    """Something has to come back, or to be let go of, before the run goes on."""

    reason: str


@dataclass(frozen=True)
class Started:
    """A script is about to run."""

    name: str
    direction: str
    """`up` or `down`."""


@dataclass(frozen=True)
class Running:
    """A script still runs; told about twice a second."""

    name: str
    seconds: float
    phase: str = ""
    """What Postgres says it is doing, where it reports progress."""
    percent: float | None = None
    blocked: Blocked | None = None


@dataclass(frozen=True)
class Retrying:
    """A script was rolled back, and is tried again after a pause."""

    name: str
    reason: str
    pause: float
    """In seconds."""
    blocked: Blocked | None


@dataclass(frozen=True)
class Finished:
    """A script and its record are committed."""

    name: str
    direction: str
    duration_ms: float
    by_other: bool = field(default=False)
    """Whether another runner did it while this one waited."""


@dataclass(frozen=True)
class Resumed:
    """A script without a transaction goes on where an earlier run broke off."""

    name: str
    done: int


@dataclass(frozen=True)
class Healed:
    """An invalid index that an earlier run left was removed, to be built again."""

    name: str
    index: str


@dataclass(frozen=True)
class Noticed:
    """Postgres, or a script by `RAISE`, said something meanwhile."""

    severity: str
    message: str


Event = Waiting | Started | Running | Retrying | Finished | Resumed | Healed | Noticed
