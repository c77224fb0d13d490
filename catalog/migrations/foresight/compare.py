"""Two looks at a database, before and after a statement, turned into facts about the statement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from catalog.migrations.foresight.facts import Item, StatementFacts
from catalog.migrations.foresight.locking import WRITES, table_locks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from catalog.migrations.foresight.look import Address, Lock, Look, Thing
    from catalog.migrations.scanner import Statement

_STORED = ("table", "materialized view")
_CONSTRAINTS = ("primary key", "unique constraint", "exclusion constraint", "check", "foreign key")
_REPLACEABLE = ("index", *_CONSTRAINTS)
_CHANGING = ("UPDATE", "DELETE", "INSERT", "MERGE")


@dataclass(frozen=True)
class Surroundings:
    """What has to be known of the time before a statement."""

    existing: frozenset[Address]
    """What a running application may know of: all that was there before the first migration."""
    start: Look
    """As the transaction began, and others see the database still."""
    before: Look
    taken: Mapping[Lock, int]
    """The locks of earlier statements in the transaction, with the statements' numbers."""

    def go_on(self, after: Look, number: int) -> Surroundings:
        """The same for the next statement in the transaction, after this one."""
        again = replaced(self.before, after)
        kept = (again[old].address if old in again else old for old in self.existing)
        return Surroundings(
            existing=frozenset(address for address in kept if address in after.things),
            start=self.start,
            before=after,
            taken={lock: self.taken.get(lock, number) for lock in after.locks},
        )


def replaced(before: Look, after: Look) -> dict[Address, Thing]:
    """Indexes and constraints that were made again under their old names, by old address.

    ALTER COLUMN TYPE does that, and REINDEX CONCURRENTLY.
    """
    new = {
        (thing.kind, thing.of, thing.label): thing
        for address, thing in after.things.items()
        if thing.kind in _REPLACEABLE and address not in before.things
    }
    return {
        address: new[key]
        for address, thing in before.things.items()
        if address not in after.things and (key := (thing.kind, thing.of, thing.label)) in new
    }


@dataclass(frozen=True)
class Comparison:
    """The looks before and after one statement side by side."""

    statement: Statement
    number: int
    tag: str
    around: Surroundings
    after: Look
    locks: Collection[Lock]
    """All that it took, and perhaps some that were taken before."""

    def facts(self) -> StatementFacts:
        """Everything there is to say."""
        start, existing = self.around.start, self.around.existing
        emptied = self._emptied()
        rewritten = [
            now
            for was, now in self._kept
            if now.kind in _STORED and was.file != now.file and now not in emptied
        ]
        scanned = [thing for thing in self._scanned() if thing not in emptied]
        changed = self._changed(scanned)
        if _deletes_all(self.statement):
            emptied += changed
        builds, rebuilds = self._built({thing.address for thing in (*rewritten, *emptied)})
        return StatementFacts(
            self.number,
            self.statement.start,
            self.statement.text,
            self.tag,
            locks=table_locks(dict.fromkeys(self._new_locks, self.number), start, existing),
            held=tuple(
                lock for lock in table_locks(self.around.taken, start, existing) if lock.blocks
            ),
            rewrites=self._items(rewritten),
            builds=self._items(builds),
            rebuilds=self._items(rebuilds),
            scans=self._items(scanned),
            changes=self._items(changed),
            empties=self._items(emptied),
            creates=self._items(self._created()),
            drops=self._items(self._dropped()),
            renames=tuple((self._item(was), now.name) for was, now in self._renamed()),
            validates=self._flagged(*_CONSTRAINTS),
            requires=self._flagged("column"),
            retypes=self._items(
                now for was, now in self._kept if now.kind == "column" and was.shape != now.shape
            ),
            attaches=self._flagged("table"),
            detaches=self._flagged("table", now=False),
        )

    @cached_property
    def _new_locks(self) -> set[Lock]:
        return {lock for lock in self.locks if lock not in self.around.taken}

    @cached_property
    def _replaced(self) -> dict[Address, Thing]:
        return replaced(self.around.before, self.after)

    @cached_property
    def _kept(self) -> list[tuple[Thing, Thing]]:
        """What existed and is there still, as it was and as it is now."""
        old = self.around.before.things
        return [
            (old[address], thing)
            for address, thing in self.after.things.items()
            if address in self.around.existing and address in old
        ]

    @cached_property
    def _made(self) -> list[Thing]:
        """What is new, and not only under another address."""
        known = {*self.around.before.things, *(thing.address for thing in self._replaced.values())}
        return [thing for address, thing in self.after.things.items() if address not in known]

    def _item(self, thing: Thing) -> Item:
        of = self._thing(thing.of) if thing.of else None
        return Item(thing.kind, thing.name, of.name if of else "")

    def _items(self, things: Iterable[Thing]) -> tuple[Item, ...]:
        return tuple(sorted(map(self._item, things), key=lambda item: (item.of, item.name)))

    def _thing(self, address: Address) -> Thing | None:
        return self.around.before.things.get(address) or self.after.things.get(address)

    def _flagged(self, *kinds: str, now: bool = True) -> tuple[Item, ...]:
        """What became valid, NOT NULL or a partition; or is not any more."""
        return self._items(
            thing
            for was, thing in self._kept
            if thing.kind in kinds and thing.flag is now and was.flag is not now
        )

    def _emptied(self) -> list[Thing]:
        """Tables that lost their file to a TRUNCATE, and views filled with no data.

        A rewrite reads the table once, and once more for every index that it builds anew; where
        the tag does not tell (a DO block), a TRUNCATE is what did not read it that once.
        """
        found = []
        for was, now in self._kept:
            if now.kind == "materialized view" and was.flag and not now.flag:
                found.append(now)
            elif now.kind == "table" and was.file != now.file and was.shape == now.shape:
                indexes = sum(
                    index.kind == "index" and index.of == now.address and old.file != index.file
                    for old, index in self._kept
                )
                quiet = self.tag.startswith(("DO", "CALL", "SELECT"))
                if self.tag == "TRUNCATE TABLE" or (quiet and now.scans - was.scans <= indexes):
                    found.append(now)
        return found

    def _scanned(self) -> list[Thing]:
        searched = {
            now.of for was, now in self._kept if now.kind == "index" and now.scans > was.scans
        }
        # The query that checks a foreign key may go through an index instead, and all of it.
        checked = {
            thing.of
            for thing in (*self._made, *(now for was, now in self._kept if not was.flag))
            if thing.kind == "foreign key" and thing.flag
        }
        return [
            now
            for was, now in self._kept
            if now.kind in _STORED and (now.scans > was.scans or now.address in searched & checked)
        ]

    def _changed(self, scanned: list[Thing]) -> list[Thing]:
        """Tables that are written, and not only at some places that an index was asked for.

        On empty tables a join ends at the first one without a row; so any that is read in whole
        will do. A lock that was held already does not tell who is written this time.
        """
        writes = self.tag.startswith(_CHANGING)
        # Rows of another table decide, of which there are none here: so an index was asked.
        others = {"UPDATE": ("FROM", "SELECT"), "DELETE": ("USING", "SELECT")}
        words = self.statement.words
        joined = any(word in words for word in others.get(self.tag.partition(" ")[0], ()))
        if not scanned and not joined:
            return []
        locked = {lock.relation for lock in self._new_locks if lock.mode == WRITES}
        held = {lock.relation for lock in self.around.taken if lock.mode == WRITES}
        tables = [now for _, now in self._kept if now.kind == "table"]
        return [
            table
            for table in tables
            if (table.address.object in locked and (writes or table in scanned))
            or (writes and table.address.object in held and table in scanned)
        ]

    def _built(self, anew: set[Address]) -> tuple[list[Thing], list[Thing]]:
        """Indexes that are new, and those that are not, on tables that were not written anew.

        An index that is made again for a type that is stored alike keeps its file.
        """
        files = {
            thing.file for thing in self.around.before.things.values() if thing.kind == "index"
        }

        def is_built(index: Thing) -> bool:
            return (
                index.kind == "index"
                and index.file not in files | {0}
                and index.of in self.around.existing
                and index.of not in anew
            )

        known = self.around.before.things
        rebuilt = [
            thing
            for address, thing in self.after.things.items()
            if address in known and is_built(thing)
        ]
        return list(filter(is_built, self._made)), [
            *rebuilt,
            *filter(is_built, self._replaced.values()),
        ]

    def _created(self) -> list[Thing]:
        new = {thing.address for thing in self._made}
        return [thing for thing in self._made if thing.of not in new]

    def _dropped(self) -> list[Thing]:
        gone = {
            address
            for address in self.around.before.things
            if address not in self.after.things and address not in self._replaced
        }
        return [
            self.around.before.things[address]
            for address in gone
            if address in self.around.existing
            and not self.around.before.ties.get(address, frozenset()) & gone
        ]

    def _renamed(self) -> list[tuple[Thing, Thing]]:
        pairs = [
            (was, now)
            for was, now in self._kept
            if (was.label, was.schema) != (now.label, now.schema) and was.kind != "default"
        ]
        renamed = {now.address for _, now in pairs}
        return sorted(
            (
                (was, now)
                for was, now in pairs
                if not self.around.before.ties.get(now.address, frozenset()) & renamed
            ),
            key=lambda pair: pair[0].name,
        )


def _deletes_all(statement: Statement) -> bool:
    """Whether it deletes without a condition, which empty tables cannot tell."""
    return statement.begins("DELETE", "FROM") and "WHERE" not in statement.words
