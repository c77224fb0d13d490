"""How two fingerprints of schemas differ, also those of servers of different versions.

Postgres' versions write down some things differently that mean the same:

- Before 16, a view of one table has that table's name before every column: `SELECT b.id FROM b`.
- A name is in quotes where it is a keyword, and newer versions have more of these.
- Since 17 there is a privilege MAINTAIN, and GRANT ALL includes it.
- The comment of an extension comes with it, in the words of its version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.migrations.scanner import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog.migrations.foresight.fingerprint import Fingerprint, Key

    Facts = Mapping[str, str]

_ORDER = "column order"
_VIEWS = ("view", "materialized view")
_TABLES = ("table", "foreign table")

# The facts that name what an object goes with when that is dropped, and the kinds of that.
_WHOLES = {
    "part of": (*_TABLES, *_VIEWS, "composite type", "domain"),
    "partition of": ("table", "index"),
    "of constraint": ("constraint",),
    "owned by": ("column",),
}

_NEEDLESS_QUOTES = re.compile(r'"([a-z_][a-z0-9_]*)"')
_FEWER_QUALIFIERS = 16
_HAS_MAINTAIN = 17
_GRANTS = "grants to "
_VERBATIM = {"comment", "body"}


@dataclass(frozen=True)
class Difference:
    """An object that is not the same on both sides."""

    kind: str
    name: str
    before: Facts | None
    """Its facts, or `None` where there is no such object."""
    after: Facts | None

    @property
    def changed(self) -> list[tuple[str, str | None, str | None]]:
        """The facts that differ, each with what it was and what it is, in order of their names."""
        before, after = self.before or {}, self.after or {}
        return [
            (fact, before.get(fact), after.get(fact))
            for fact in sorted(before.keys() | after.keys())
            if before.get(fact) != after.get(fact)
        ]

    @property
    def order_only(self) -> bool:
        """Whether it is the same columns in another order, which no script can restore."""
        facts = [fact for fact, _, _ in self.changed]
        return facts == [_ORDER] and None not in (self.before, self.after)


def compare(before: Fingerprint, after: Fingerprint, *, owners: bool = True) -> list[Difference]:
    """All differences, by name. `owners` tells whether it matters who owns an object.

    What is on one side only is told without its parts: a table without its columns, a constraint
    without its index. Another order of columns is a difference of its own.
    """
    majors = before.server_version // 10000, after.server_version // 10000
    left, right = (_objects(side, owners, majors) for side in (before, after))
    found = [
        difference
        for key in left.keys() | right.keys()
        if left.get(key) != right.get(key)
        for difference in _differences(key, left.get(key), right.get(key), majors)
    ]
    gone = {(each.kind, each.name) for each in found if each.after is None}
    new = {(each.kind, each.name) for each in found if each.before is None}
    told = [
        each
        for each in found
        if not (each.after is None and _goes_with(each.before, gone))
        and not (each.before is None and _goes_with(each.after, new))
    ]
    return sorted(told, key=lambda each: (each.name, each.kind, each.order_only))


def _objects(side: Fingerprint, owners: bool, majors: tuple[int, int]) -> Mapping[Key, Facts]:
    objects = side.objects if owners else _without_owners(side.objects)
    if majors[0] != majors[1]:
        objects = {
            (kind, _unquoted(name)): {
                fact: _unquoted(value) if fact in _WHOLES else value
                for fact, value in facts.items()
            }
            for (kind, name), facts in objects.items()
        }
    return objects


def _without_owners(objects: Mapping[Key, Facts]) -> Mapping[Key, Facts]:
    ownerless: dict[Key, dict[str, str]] = {}
    for (kind, name), facts in objects.items():
        if kind == "default acl":  # its name tells the owner of what will be created
            name = name.removeprefix(f"for role {facts['owner']} ")
        ownerless.setdefault((kind, name), {}).update(_but(facts, "owner"))
    return ownerless


def _goes_with(facts: Facts | None, others: set[Key]) -> bool:
    return facts is not None and any(
        (kind, facts.get(fact)) in others for fact, kinds in _WHOLES.items() for kind in kinds
    )


def _differences(
    key: Key, before: Facts | None, after: Facts | None, majors: tuple[int, int]
) -> Iterator[Difference]:
    if before is None or after is None:
        yield Difference(*key, before, after)
        return
    if majors[0] != majors[1]:
        before, after = _levelled(key[0], before, after, majors)
    if _ORDER in before and _ORDER in after and _reordered(before[_ORDER], after[_ORDER]):
        yield Difference(*key, {_ORDER: before[_ORDER]}, {_ORDER: after[_ORDER]})
    before, after = _but(before, _ORDER), _but(after, _ORDER)
    if before != after:
        yield Difference(*key, before, after)


def _reordered(before: str, after: str) -> bool:
    """Whether the columns that are on both sides follow each other differently."""
    left, right = ([text for text in _texts(order) if text != ","] for order in (before, after))
    return [one for one in left if one in right] != [one for one in right if one in left]


def _levelled(
    kind: str, before: Facts, after: Facts, majors: tuple[int, int]
) -> tuple[Facts, Facts]:
    """The facts of two versions, alike where they mean the same."""
    if kind == "extension":
        before, after = _but(before, "comment"), _but(after, "comment")
    if min(majors) < _HAS_MAINTAIN:
        before, after = _without_maintain(before), _without_maintain(after)
    alike = dict(after)
    for fact in before.keys() & after.keys() - _VERBATIM:
        texts = _texts(before[fact]), _texts(after[fact])
        if texts[0] == texts[1] or (
            kind in _VIEWS
            and min(majors) < _FEWER_QUALIFIERS <= max(majors)
            and _qualified_alike(*(texts if majors[0] < majors[1] else reversed(texts)))
        ):
            alike[fact] = before[fact]
    return before, alike


def _qualified_alike(older: Sequence[str], newer: Sequence[str]) -> bool:
    """Whether they are the same but for the name of one table before columns in the older one.

    Where the newer one has a column without a table, there is but one table that it can be of,
    and both name that after FROM.
    """
    qualifiers = set()
    at = 0
    for place, text in enumerate(newer):
        if (
            older[at + 1 : at + 2] == ["."]
            and newer[place + 1 : place + 2] != ["."]
            and older[at + 3 : at + 4] != ["("]  # a function's schema
            and older[max(at - 2, 0) : at] != [":", ":"]  # a type's
            and older[max(at - 1, 0) : at] != ["COLLATE"]
        ):
            qualifiers.add(older[at])
            at += 2
        if older[at : at + 1] != [text]:
            return False
        at += 1
    return at == len(older) and len(qualifiers) <= 1


def _without_maintain(facts: Facts) -> Facts:
    kept = dict(facts)
    for fact in [fact for fact in facts if fact.startswith(_GRANTS)]:
        rest = [one for one in facts[fact].split(", ") if not one.startswith("MAINTAIN")]
        kept[fact] = ", ".join(rest)
        if not rest:
            del kept[fact]
    return kept


def _but(facts: Facts, fact: str) -> Facts:
    return {name: value for name, value in facts.items() if name != fact}


def _texts(text: str) -> list[str]:
    """A text in its tokens, names without quotes where these say no more than the version."""
    return [
        _unquoted(token.text) if token.text.startswith('"') else token.text
        for token in tokens(text)
    ]


def _unquoted(name: str) -> str:
    return _NEEDLESS_QUOTES.sub(r"\1", name)
