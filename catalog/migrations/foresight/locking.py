"""Locks put into words: which table each is felt at, and whom it keeps waiting there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.migrations.foresight.facts import TableLock

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
_BLOCKS_READS = _STRENGTH[EXCLUSIVE]


def table_locks(
    taken: Mapping[Lock, int], look: Look, existing: Collection[Address]
) -> tuple[TableLock, ...]:
    """The strongest lock on each relation that others see, and that existed; the worst first.

    Planning a query locks all indexes of its tables, and a default may need a sequence; so a lock
    on those is felt at the table. It is left out where one on the table itself does as much.
    """
    direct: list[TableLock] = []
    indirect: list[TableLock] = []
    for lock, since in _strongest(taken).items():
        thing = look.relation(lock.relation)
        if thing is None or not _is_known(thing, existing):
            continue
        table = look.things.get(thing.of) if thing.of else None
        shown = TableLock(
            (table or thing).name,
            spelled(lock.mode),
            _blocks(table if table and thing.kind == "index" else thing, lock.mode),
            via=thing.name if table else "",
            since=since,
        )
        (indirect if table else direct).append(shown)
    degrees = {lock.relation: lock.degree for lock in direct}
    felt = [lock for lock in indirect if lock.degree > degrees.get(lock.relation, 0)]
    return tuple(sorted(direct + felt, key=lambda lock: (-lock.degree, lock.relation, lock.via)))


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
