"""What a statement does to tables that were there before it: measured facts, and no opinion.

`catalog.migrations.foresight.compare` reads them off the catalogue and the locks. Time plays no
part: the tables that they are measured on are empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Blocks = Literal["", "writes", "reads", "reads and writes"]
DEGREES: tuple[Blocks, ...] = get_args(Blocks)
"""From nobody to everybody."""


@dataclass(frozen=True)
class Item:
    """An object of the database in words."""

    kind: str
    """`table`, `column`, `foreign key`, …"""
    name: str
    """As a person would write it: quoted where it has to be, and without the schema `public`."""
    of: str = ""
    """The table that it belongs to, or the type."""


@dataclass(frozen=True)
class TableLock:
    """A lock, and whom it keeps waiting."""

    relation: str
    """The table or view that it is felt at; where none is, the sequence itself."""
    mode: str
    """In SQL's spelling: `ACCESS EXCLUSIVE`."""
    blocks: Blocks
    since: int
    """The number of the statement that took it, from 1."""
    via: Item | None = None
    """What is locked, if it is not the table itself: an index, a sequence that a default needs,
    or a table that foreign keys refer to."""

    @property
    def degree(self) -> int:
        """How much it blocks, from 0; more is worse."""
        return DEGREES.index(self.blocks)

    @property
    def through_reference(self) -> bool:
        """Whether it is a table that is locked, and this one only refers to it."""
        return self.via is not None and self.via.kind == "table"


@dataclass(frozen=True)
class StatementFacts:
    """What one statement does, apart from what it does to tables that are new themselves."""

    number: int
    """Its place in the script, from 1."""
    offset: int
    """Where it begins in the script's text, in characters."""
    text: str
    tag: str
    """The server's name for what it did: `CREATE INDEX`, `UPDATE 0`."""
    alone: bool = False
    """Whether Postgres took it in no transaction but its own, or several of its own."""
    locks: tuple[TableLock, ...] = ()
    """The strongest that it took anew on each relation, whether or not anybody has to wait."""
    held: tuple[TableLock, ...] = ()
    """Those of earlier statements that block somebody until the transaction ends."""
    rewrites: tuple[Item, ...] = ()
    """Tables and materialized views that are written anew."""
    builds: tuple[Item, ...] = ()
    """New indexes on tables that were there before."""
    rebuilds: tuple[Item, ...] = ()
    """Indexes that are written anew, without their table."""
    scans: tuple[Item, ...] = ()
    """Tables that are read in whole."""
    changes: tuple[Item, ...] = ()
    """Tables of which an unlimited number of rows is updated, deleted or inserted."""
    empties: tuple[Item, ...] = ()
    creates: tuple[Item, ...] = ()
    drops: tuple[Item, ...] = ()
    """What is gone, without what had to go with it (a column's index)."""
    renames: tuple[tuple[Item, str], ...] = ()
    """What has another name or schema now, with its new name."""
    validates: tuple[Item, ...] = ()
    """Constraints that were there, and were not valid."""
    requires: tuple[Item, ...] = ()
    """Columns that take no NULL any more."""
    retypes: tuple[Item, ...] = ()
    """Columns of another type or collation."""
    attaches: tuple[Item, ...] = ()
    """Tables that became partitions."""
    detaches: tuple[Item, ...] = ()
    """Partitions that became tables."""
