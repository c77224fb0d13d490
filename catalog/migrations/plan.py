"""What is to be done: migration files compared with the ledger. Nothing here has effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import UnknownVersion
from catalog.migrations.migration import version_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from catalog.migrations.migration import Migration


@dataclass(frozen=True)
class Applied:
    """A row of the ledger, without the texts."""

    name: str
    position: int
    """Its place in the order of application, from 1."""
    applied_at: datetime
    duration_ms: float
    checksum: str


@dataclass(frozen=True)
class History:
    """The files and the ledger side by side."""

    migrations: Sequence[Migration]
    """All files, by number."""
    applied: Sequence[Applied]
    """All rows, in the order in which they were applied."""

    @property
    def pending(self) -> list[Migration]:
        """Files that were not applied yet, by number."""
        names = {row.name for row in self.applied}
        return [migration for migration in self.migrations if migration.name not in names]

    @property
    def newest(self) -> str | None:
        """The name of the migration applied last, which is where the database is."""
        return self.applied[-1].name if self.applied else None

    @property
    def by_name(self) -> dict[str, Migration]:
        """The files by the names that the ledger knows them by."""
        return {migration.name: migration for migration in self.migrations}

    @property
    def missing(self) -> list[Applied]:
        """Rows whose files are not here."""
        by_name = self.by_name
        return [row for row in self.applied if row.name not in by_name]

    def to_apply(self, *, count: int | None = None, to: str | None = None) -> list[Migration]:
        """The pending migrations that `up` means: all, the next `count`, or those through `to`.

        Raises:
            UnknownVersion: No migration is called `to`.
        """
        if to is not None:
            target = self._find(to, [migration.name for migration in self.migrations])
            return [migration for migration in self.pending if migration.version <= target]
        return self.pending[:count]

    def to_revert(self, *, count: int | None = 1, to: str | None = None) -> list[Applied]:
        """The applied migrations that `down` means, the newest first.

        The last `count` (all, if `None`), or all that were applied after `to`.

        Raises:
            UnknownVersion: No migration is called `to`.
        """
        newest_first = self.applied[::-1]
        if to is not None:
            known = [migration.name for migration in self.migrations]
            target = self._find(to, [*known, *(row.name for row in self.missing)])
            staying = [row for row in newest_first if version_of(row.name) == target]
            after = staying[0].position if staying else None
            return [
                row
                for row in newest_first
                if (row.position > after if after else version_of(row.name) > target)
            ]
        return list(newest_first[:count])

    @staticmethod
    def _find(wanted: str, names: list[str]) -> int:
        """The version meant by a number, with or without zeros before it, or by a name."""
        for name in names:
            number = version_of(name)
            if wanted == name or (wanted.isascii() and wanted.isdigit() and int(wanted) == number):
                return number
        raise UnknownVersion(wanted, sorted(names, key=version_of))
