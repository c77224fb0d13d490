"""What a running application would notice of a migration: facts judged, and put into plain words.

A lock alone is no hazard, however strong: it is had and gone in a moment. It is one if something
goes on meanwhile that takes as long as the table is large; in the same statement, or in a later
one of the transaction, because locks are held until that ends.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalog.migrations.foresight.advice import safer_change, safer_work
from catalog.migrations.foresight.sizes import Sized, listed
from catalog.migrations.scanner import tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from catalog.migrations.foresight.facts import Item, StatementFacts, TableLock
    from catalog.migrations.foresight.sizes import Sizes

SAFE = "safe while the application runs"
KINDS = ("blocking", "rewrite", "drop")

# Whatever these are for, nobody's query fails or is slow without them, or knows their names.
_UNUSED = ("check", "foreign key", "statistics")
_NAMELESS = (
    *(*_UNUSED, "index", "trigger", "policy", "rule"),
    *("primary key", "unique constraint", "exclusion constraint"),
)
# Dropped and made again in one transaction, these are what they were.
_WITHOUT_DATA = (*_NAMELESS, "view", "function", "procedure", "aggregate", "default")
_CODE = ("DO", "CALL", "SELECT")
_WRITES = "ROW EXCLUSIVE"
_CHANGING = {"UPDATE": "updates", "DELETE": "deletes", "INSERT": "inserts"}


@dataclass(frozen=True)
class Hazard:
    """Something that a running application would notice."""

    statement: int
    """The number of the statement, from 1."""
    kinds: frozenset[str]
    says: str
    """The verdict, in words that go on from the migration's name."""
    advice: str
    """The safer way, or nothing."""
    allowed: frozenset[str] = frozenset()
    """What its author means to happen."""

    @property
    def meant(self) -> bool:
        """Whether its author said so of all that it is."""
        return self.kinds <= self.allowed


@dataclass(frozen=True)
class Verdict:
    """All that is to be said of one migration."""

    hazards: tuple[Hazard, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The hazards in words, or that there are none."""
        return tuple(hazard.says for hazard in self.hazards) or (SAFE,)

    def fails(self, kinds: Collection[str]) -> bool:
        """Whether something of these kinds happens that its author did not say is meant."""
        return any(hazard.kinds - hazard.allowed & set(kinds) for hazard in self.hazards)


def judge(
    facts: Sequence[StatementFacts],
    sizes: Sizes,
    *,
    transactional: bool,
    allowed: Collection[str] = (),
) -> Verdict:
    """Judge one migration by the facts about its statements, in order.

    `transactional` tells whether its head lets them be one; `allowed`, what it allows.
    """
    found: list[Hazard | None] = []
    transactional &= not any(each.alone for each in facts)
    for each in facts:
        again = _made_from(each.number, facts) if transactional else set()
        found += [
            _blocking(each, Sized(sizes)) or _unmeasured(each, Sized(sizes)),
            _dropping(each, again, Sized(sizes)),
        ]
    meant = frozenset(allowed)
    return Verdict(tuple(replace(hazard, allowed=meant) for hazard in found if hazard))


@dataclass(frozen=True)
class _Work:
    """Something that takes as long as the table is large."""

    table: str
    does: str
    """In words that leave the table out."""
    to: str
    """The words between these and the table's name."""


def _blocking(facts: StatementFacts, sized: Sized) -> Hazard | None:
    """A lock that somebody waits for until work is done that takes long."""
    works = _works(facts)
    if not works:
        return None
    worst = _worst(facts)
    if not worst:
        return _locking_rows(facts, sized)
    own = {name: lock for name, lock in worst.items() if not lock.through_reference}
    worked = {work.table for work in works}
    earlier = sorted(lock.since for lock in own.values() if lock.since < facts.number)
    parts = [f"blocks {_blocked(own, worked, sized)}"]
    if len(earlier) == len(own):
        parts.append(f"locked by {_statements(earlier)}")
    if len(own) < len(worst):
        parts.append(
            f"and so writes on {listed([sized(name) for name in sorted(worst.keys() - own)])}"
        )
    comma = "," if len(parts) > 1 else ""
    doing = _doing(works, sized, alone=worked == set(own) and len(worked) == 1)
    kinds = {"blocking", "rewrite"} if facts.rewrites or facts.rebuilds else {"blocking"}
    return Hazard(
        facts.number,
        frozenset(kinds),
        f"{', '.join(parts)}{comma} while it {doing}",
        safer_work(facts, _statements(earlier) if earlier else ""),
    )


def _statements(numbers: Sequence[int]) -> str:
    """`statement 1`, `statements 1 and 3`."""
    distinct = list(map(str, dict.fromkeys(numbers)))
    return f"statement{'s' * (len(distinct) > 1)} {listed(distinct)}"


def _blocked(locks: Mapping[str, TableLock], first: Collection[str], sized: Sized) -> str:
    """`reads and writes on a and b and writes on c`; some tables first."""
    by_degree: dict[str, list[str]] = {}
    for name in sorted(locks, key=lambda name: (-locks[name].degree, name not in first, name)):
        by_degree.setdefault(locks[name].blocks, []).append(sized(name))
    return " and ".join(f"{blocks} on {listed(names)}" for blocks, names in by_degree.items())


def _locking_rows(facts: StatementFacts, sized: Sized) -> Hazard | None:
    """Rows that somebody waits for until others have been changed as well."""
    verb = _verb(facts)
    if facts.alone or verb == "inserts" or not facts.changes:
        return None
    tables = listed([sized(item.name) for item in facts.changes])
    says = f"blocks changes to the rows of {tables} while it {verb} them"
    return Hazard(facts.number, frozenset({"blocking"}), says, safer_work(facts, ""))


def _unmeasured(facts: StatementFacts, sized: Sized) -> Hazard | None:
    """Rows that code changes: on empty tables nobody can tell how many.

    Code that commits on its way is how to change many, and holds nobody up for long.
    """
    written = [lock.relation for lock in facts.locks if lock.mode == _WRITES]
    if not written or facts.alone or facts.tag.partition(" ")[0] not in _CODE:
        return None
    tables = listed([sized(name) for name in dict.fromkeys(written)])
    says = f"changes rows of {tables} in code; how many, only the rows there can tell"
    return Hazard(facts.number, frozenset(), says, "")


def _works(facts: StatementFacts) -> list[_Work]:
    """What it does that takes long, without what belongs to that anyway."""
    works = [
        _Work(item.name, "rewrites the table", "rewrites")
        if item.kind == "table"
        else _Work(item.name, "fills it anew", "fills anew")
        for item in facts.rewrites
    ]
    for verb, indexes, to in (("builds", facts.builds, "on"), ("rebuilds", facts.rebuilds, "of")):
        for table, count in Counter(item.of for item in indexes).items():
            what = f"{verb} an index" if count == 1 else f"{verb} {count} indexes"
            works.append(_Work(table, what, f"{what} {to}"))
    verb = _verb(facts)
    to = "into" if verb == "inserts" else "of"
    works += [_Work(item.name, f"{verb} its rows", f"{verb} rows {to}") for item in facts.changes]
    if works:
        return works
    verb = "checks" if _checks(facts) else "reads"
    return [_Work(item.name, f"{verb} every row", f"{verb} every row of") for item in facts.scans]


def _checks(facts: StatementFacts) -> bool:
    """Whether rows are read because something is to be true of all of them."""
    made = any(item.kind in ("check", "foreign key") for item in facts.creates)
    promised = facts.requires or facts.validates or facts.attaches
    return made or bool(promised) or facts.tag.startswith(("ALTER", "CREATE"))


def _verb(facts: StatementFacts) -> str:
    """What it does to rows. An INSERT may update by the way: ON CONFLICT, or in a WITH."""
    verb = _CHANGING.get(facts.tag.partition(" ")[0], "changes")
    words = {token.word for token in tokens(facts.text)}
    return "changes" if verb == "inserts" and words & {"UPDATE", "DELETE", "MERGE"} else verb


def _worst(facts: StatementFacts) -> dict[str, TableLock]:
    """The lock that blocks most on each table, held or new; of equal ones the first."""
    worst: dict[str, TableLock] = {}
    locks = (*facts.held, *facts.locks)
    for lock in sorted(locks, key=lambda lock: (lock.through_reference, lock.since)):
        if lock.degree > (worst[lock.relation].degree if lock.relation in worst else 0):
            worst[lock.relation] = lock
    return worst


def _doing(works: Sequence[_Work], sized: Sized, *, alone: bool) -> str:
    if alone:
        return " and ".join(work.does for work in works)
    return " and ".join(
        f"{to} {listed([sized(work.table) for work in works if work.to == to])}"
        for to in dict.fromkeys(work.to for work in works)
    )


def _dropping(facts: StatementFacts, again: Collection[Item], sized: Sized) -> Hazard | None:
    """Something that the application may use, and that is not there any more, or not as it was."""
    gone = [
        item
        for item in facts.drops
        if item.kind not in _UNUSED and not (item.kind in _WITHOUT_DATA and item in again)
    ]
    renamed = [
        (item, name)
        for item, name in facts.renames
        if item.kind not in _NAMELESS and replace(item, kind="view") not in again
    ]
    phrases = {
        "drops": [_called(item, sized) for item in gone],
        "empties": [sized(item.name) for item in facts.empties],
        "detaches": [sized(item.name) for item in facts.detaches],
    }
    says = [f"{verb} {listed(names)}" for verb, names in phrases.items() if names]
    says += [f"renames {_called(item, sized)} to {name}" for item, name in renamed]
    if not says:
        return None
    return Hazard(facts.number, frozenset({"drop"}), " and ".join(says), safer_change(facts, gone))


def _made_from(number: int, facts: Sequence[StatementFacts]) -> set[Item]:
    """What is made by this statement or a later one."""
    return {item for each in facts if each.number >= number for item in each.creates}


def _called(item: Item, sized: Sized) -> str:
    kind = "the default of column" if item.kind == "default" else item.kind
    if not item.of:
        return f"{kind} {sized(item.name)}"
    return f"{kind} {item.name} of {sized(item.of)}"
