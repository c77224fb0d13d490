"""What is to be done: migration files compared with the ledger. Nothing here has effects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from catalog.errors import UnknownVersion
from catalog.migrations.migration import version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.migrations.migration import Migration

_NUMBER = re.compile(r"[0-9]{1,300}")
_TIMESTAMP_DIGITS = 14  # YYYYMMDDHHMMSS


@dataclass(frozen=True)
class Applied:
    """A row of the ledger, without the texts."""

    name: str
    position: int
    """Its place in the order of application, from 1."""
    applied_at: datetime
    duration_ms: float
    checksum: str
    text_hash: str = ""
    """SHA-256 of the up script to the letter; alike, its checksum need not be worked out."""


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

    @property
    def newer(self) -> list[Applied]:
        """Missing rows beyond our newest file: those of a newer release than this one."""
        newest = max((migration.version for migration in self.migrations), default=-1)
        return [row for row in self.missing if version_of(row.name) > newest]

    @property
    def edited(self) -> list[Migration]:
        """Applied migrations whose up script means something else now."""
        by_name = self.by_name
        return [
            by_name[row.name]
            for row in self.applied
            if row.name in by_name
            and by_name[row.name].up.text_hash != row.text_hash
            and by_name[row.name].checksum != row.checksum
        ]

    @property
    def late(self) -> list[Migration]:
        """Pending migrations numbered below one that is applied: two branches were merged."""
        newest = max((version_of(row.name) for row in self.applied), default=-1)
        return [migration for migration in self.pending if migration.version < newest]

    def to_apply(self, *, count: int | None = None, to: str | None = None) -> list[Migration]:
        """The pending migrations that `up` means: all, the next `count`, or those through `to`.

        Raises:
            UnknownVersion: No migration is called `to`.
        """
        if to is not None:
            target = find_version(to, [migration.name for migration in self.migrations])
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
            target = find_version(to, [*known, *(row.name for row in self.missing)])
            staying = [row for row in newest_first if version_of(row.name) == target]
            after = staying[0].position if staying else None
            return [
                row
                for row in newest_first
                if (row.position > after if after else version_of(row.name) > target)
            ]
        return list(newest_first[:count])


def find_version(wanted: str, names: Sequence[str]) -> int:
    """The version meant by a number, with or without zeros before it, or by a name.

    Raises:
        UnknownVersion: None of the names is meant.
    """
    for name in names:
        number = version_of(name)
        if wanted == name or (_NUMBER.fullmatch(wanted) and int(wanted) == number):
            return number
    raise UnknownVersion(wanted, sorted(names, key=version_of))


def next_number(names: Sequence[str]) -> str:
    """The number after the highest of these names, with as many digits; a time for times."""
    numbers = [found[0] for name in names if (found := re.match(r"[0-9]+(?=_)", name))]
    highest = max(numbers, key=int, default="0000")
    following = int(highest) + 1
    if len(highest) >= _TIMESTAMP_DIGITS:
        following = max(following, int(datetime.now(UTC).strftime("%Y%m%d%H%M%S")))
    return str(following).zfill(len(highest))
