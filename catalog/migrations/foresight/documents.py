"""What `--json` prints for `check`, `plan`, `verify` and `adopt`: shapes that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.migrations import document
from catalog.migrations.position import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.migrations.foresight.check import Checked
    from catalog.migrations.foresight.differences import Difference
    from catalog.migrations.foresight.facts import Item
    from catalog.migrations.foresight.forecast import Forecast
    from catalog.migrations.migration import Migration

Document = dict[str, object]


def scratch(place: str, version: int) -> Document:
    """Where the scratch database was."""
    return {"server": place, "server_version": version}


def checked(found: Checked) -> Document:
    """One migration of `check`."""
    return {
        **_named(found.migration),
        "sound": found.is_sound,
        "with_rows": found.with_rows,
        "irreversible": found.migration.down is None,
        "transactional": found.migration.up.transactional,
        "not_restored": differences(found.not_restored),
        "not_repeated": differences(found.not_repeated),
        "failed_in": found.failed_in or None,
        "error": None if found.failure is None else document.error(found.failure),
        "column_order": sorted({each.name for each in found.notes}),
        "rows_lost": [
            {"table": lost.table, "before": lost.before, "after": lost.after}
            for lost in found.rows_lost
        ],
    }


def forecast(found: Forecast) -> Document:
    """One migration of `plan`."""
    text = found.migration.up.text
    return {
        **_named(found.migration),
        "verdict": list(found.verdict.words),
        "kinds": sorted({kind for each in found.verdict.hazards for kind in each.kinds}),
        "allowed": sorted(found.migration.up.allowed),
        "timeouts": found.timeouts,
        "statements": [
            {
                "number": facts.number,
                "line": Position.of(text, facts.offset).line,
                "text": facts.text,
                "locks": [
                    {
                        "table": lock.relation,
                        "mode": lock.mode,
                        "blocks": lock.blocks or None,
                        "via": lock.via.name if lock.via else None,
                        **_size(found.sizes.get(lock.relation)),
                    }
                    for lock in facts.locks
                ],
                "rewrites": _items(facts.rewrites),
                "builds": _items(facts.builds),
                "rebuilds": _items(facts.rebuilds),
                "scans": _items(facts.scans),
                "changes": _items(facts.changes),
                "empties": _items(facts.empties),
                "drops": _items(facts.drops),
                "renames": [{**_item(item), "to": name} for item, name in facts.renames],
            }
            for facts in found.facts
        ],
        "hazards": [
            {
                "statement": each.statement,
                "kinds": sorted(each.kinds),
                "says": each.says,
                "advice": each.advice or None,
                "meant": each.meant,
            }
            for each in found.verdict.hazards
        ],
    }


def differences(found: Sequence[Difference]) -> list[Document]:
    """What differs, with the facts that do."""
    return [
        {
            "kind": each.kind,
            "name": each.name,
            "state": "missing"
            if each.after is None
            else "extra"
            if each.before is None
            else "different",
            "changed": [
                {"fact": fact, "before": before, "after": after}
                for fact, before, after in each.changed
            ]
            if None not in (each.before, each.after)
            else [],
        }
        for each in found
    ]


def _size(size: tuple[int, int] | None) -> Document:
    """Estimates of the target's catalogue; null where it has none."""
    rows, pages = size or (-1, -1)
    return {"rows": None if rows < 0 else rows, "bytes": None if pages < 0 else pages}


def _named(migration: Migration) -> Document:
    return {"name": migration.name, "version": migration.version}


def _items(items: Sequence[Item]) -> list[Document]:
    return [_item(item) for item in items]


def _item(item: Item) -> Document:
    return {"kind": item.kind, "name": item.name, "of": item.of or None}
