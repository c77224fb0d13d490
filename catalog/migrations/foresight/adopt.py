"""`adopt`: take over a database that another tool built, at the version that it is at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import ScratchUnavailable, ScriptFailed
from catalog.migrations.foresight.verify import HISTORY_TABLES, Drift, drift
from catalog.migrations.plan import find_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.migrations.foresight.fingerprint import Fingerprint
    from catalog.migrations.foresight.rehearsal import Rehearsal
    from catalog.migrations.migration import Migration


@dataclass(frozen=True)
class Candidate:
    """A version of our files, and how far the live schema is from it."""

    through: Sequence[Migration]
    """The migrations that lead there."""
    drift: Drift

    @property
    def fits(self) -> bool:
        """Whether the live schema is that of this version."""
        return not self.drift.differences

    @property
    def name(self) -> str:
        """Its newest migration."""
        return self.through[-1].name


def candidates(
    rehearsal: Rehearsal, migrations: Sequence[Migration], live: Fingerprint, *, reader: str
) -> list[Candidate]:
    """Every version of the files, compared with the live schema.

    Raises:
        ScriptFailed: One of them does not apply to a scratch database.
    """
    found: list[Candidate] = []
    for number, migration in enumerate(migrations, start=1):
        try:
            rehearsal.apply(migration)
        except (ScriptFailed, ScratchUnavailable):
            # What the live schema is at may well come before it.
            if any(each.fits for each in found):
                break
            raise
        files = rehearsal.fingerprint(without=HISTORY_TABLES)
        found.append(Candidate(migrations[:number], drift(files, live, reader=reader)))
    return found


def through(migrations: Sequence[Migration], to: str | None) -> list[Migration]:
    """Those that lead to a version; all, if `None`.

    Raises:
        UnknownVersion: None is called `to`.
    """
    if to is None:
        return list(migrations)
    version = find_version(to, [each.name for each in migrations])
    return [each for each in migrations if each.version <= version]
