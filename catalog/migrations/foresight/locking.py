"""Locks put into words: which table each is felt at, and whom it keeps waiting there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.migrations.foresight.facts import Item, TableLock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from catalog.migrations.foresight.facts import Blocks
    from catalog.migrations.foresight.look import Address, Lock, Look, Thing

READS, WRITES = "AccessShareLock", "RowExclusiveLock"
"""What every SELECT takes, and every INSERT, UPDATE and DELETE."""
EXCLUSIVE = "AccessExclusiveLock"

# From the weakest to the strongest.
_MODES = (
    *(READS, "RowShareLock", WRITES, "ShareUpdateExclusiveLock"),
    *("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", EXCLUSIVE),
)
_STRENGTH = {mode: strength for strength, mode in enumerate(_MODES)}
_BLOCKS_WRITES = _STRENGTH["ShareLock"]
_BLOCKS_REFERENCES = _STRENGTH["ExclusiveLock"]
_BLOCKS_READS = _STRENGTH[EXCLUSIVE]


def table_locks(
    taken: Mapping[Lock, int], look: Look, existing: Collection[Address]
) -> tuple[TableLock, ...]:
    """The strongest lock on each relation that others see, and that existed; the worst first.

    Locks on other things are added where they are felt at a table that has none that does as much.
    """
    direct: list[TableLock] = []
    indirect: list[TableLock] = []
    for lock, since in _strongest(taken).items():
        thing = look.relation(lock.relation)
        if thing is None or not _is_known(thing, existing):
            continue
        table = look.things.get(thing.of) if thing.of else None
        blocks = _blocks(table if table and thing.kind == "index" else thing, lock.mode)
        mode = spelled(lock.mode)
        item = Item(thing.kind, thing.name)
        if table:
            indirect.append(TableLock(table.name, mode, blocks, since, item))
            continue
        direct.append(TableLock(thing.name, mode, blocks, since))
        if _STRENGTH[lock.mode] >= _BLOCKS_REFERENCES:
            indirect += [
                TableLock(each.name, mode, "writes", since, item)
                for each in _referring(thing, look, existing)
            ]
    degrees = {lock.relation: lock.degree for lock in direct}
    felt = [lock for lock in indirect if lock.degree > degrees.get(lock.relation, 0)]
    return tuple(sorted(direct + felt, key=_order))


def _order(lock: TableLock) -> tuple[int, str, str]:
    return (-lock.degree, lock.relation, lock.via.name if lock.via else "")


def _referring(table: Thing, look: Look, existing: Collection[Address]) -> list[Thing]:
    """Tables with foreign keys to this one: it is looked at for every row that is written there."""
    tables = {
        thing.of
        for thing in look.things.values()
        if thing.kind == "foreign key"
        and thing.shape == str(table.address.object)
        and thing.of in existing
        and thing.of != table.address
    }
    return [look.things[address] for address in tables if address]


def spelled(mode: str) -> str:
    """`AccessExclusiveLock` as SQL has it: `ACCESS EXCLUSIVE`."""
    name = mode.removesuffix("Lock")
    return "".join(f" {char}" if char.isupper() else char for char in name).strip().upper()


def _strongest(taken: Mapping[Lock, int]) -> dict[Lock, int]:
    """The strongest on each relation, with the statement that took it."""
    found: dict[int, Lock] = {}
    for lock in taken:
        known = found.get(lock.relation)
        if lock.mode in _STRENGTH and (
            known is None or _STRENGTH[lock.mode] > _STRENGTH[known.mode]
        ):
            found[lock.relation] = lock
    return {lock: taken[lock] for lock in found.values()}


def _is_known(thing: Thing, existing: Collection[Address]) -> bool:
    return thing.address in existing or (thing.kind == "index" and thing.of in existing)


def _blocks(thing: Thing, mode: str) -> Blocks:
    strength = _STRENGTH[mode]
    if thing.kind == "sequence":  # `nextval` is in the way, and reading a table needs none
        return "writes" if strength >= _BLOCKS_WRITES else ""
    if thing.kind == "materialized view":  # nobody writes to one
        return "reads" if strength >= _BLOCKS_READS else ""
    if strength >= _BLOCKS_READS:
        return "reads and writes"
    return "writes" if strength >= _BLOCKS_WRITES else ""
