"""`adopt`: take over a database that another tool built, at the version that it is at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import UnknownVersion
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
    found = []
    for number, migration in enumerate(migrations, start=1):
        rehearsal.apply(migration)
        files = rehearsal.fingerprint(without=HISTORY_TABLES)
        found.append(Candidate(migrations[:number], drift(files, live, reader=reader)))
    return found


def choose(found: Sequence[Candidate], to: str | None) -> list[Candidate]:
    """The candidates that are meant: that of a version, or all that fit.

    Several fit where a migration changes rows only, or nothing: nobody but a person can tell
    which of them the database has seen.

    Raises:
        UnknownVersion: None is called `to`.
    """
    if to is None:
        return [each for each in found if each.fits]
    names = [each.name for each in found]
    if not names:
        raise UnknownVersion(to, names)
    version = find_version(to, names)
    return [each for each in found if each.through[-1].version == version]
