"""What `check`, `plan`, `verify` and `adopt` found, put into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.migrations.explain import failed_script
from catalog.migrations.foresight.sizes import Sized
from catalog.migrations.position import Position
from catalog.migrations.report import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalog.migrations.foresight.adopt import Candidate
    from catalog.migrations.foresight.check import Checked
    from catalog.migrations.foresight.differences import Difference
    from catalog.migrations.foresight.facts import Item, StatementFacts, TableLock
    from catalog.migrations.foresight.forecast import Forecast
    from catalog.migrations.foresight.hazards import Hazard
    from catalog.migrations.foresight.verify import Drift
    from catalog.migrations.migration import Script
    from catalog.migrations.plan import History

# What a fact means that is not there.
_UNSAID = {"valid": "yes", "ready": "yes", "validated": "yes", "enabled": "yes"}
_UNSAID["grants"] = "the default"
_LONGEST_STATEMENT = 100  # characters of its first line

# What an object is called when only one side has it.
_AFTER_DOWN = ("{} is gone", "{} is left behind", "{} is not what it was")
_AFTER_UP_AGAIN = ("{} is gone", "{} is new", "{} is not what it was")
_LIVE = (
    "{} is in the migrations and not in the database",
    "{} is in the database and in no migration",
    "{} differs",
)


def servers(target: tuple[str, int] | None, scratch: tuple[str, int]) -> list[str]:
    """The places that are looked at, with the versions of their servers."""
    if target is None:
        return [f"scratch  Postgres {_version(scratch[1])}: {scratch[0]}"]
    lines = [
        f"target   Postgres {_version(target[1])}: {target[0]}",
        f"scratch  Postgres {_version(scratch[1])}: {scratch[0]}",
    ]
    majors = target[1] // 10000, scratch[1] // 10000
    if majors[0] != majors[1]:
        lines.append(
            f"note: what differs between Postgres {min(majors)} and {max(majors)} may not be seen;"
            " --scratch-url takes a server of the target's version"
        )
    return lines


def roles_made(roles: Sequence[str]) -> list[str]:
    """Roles that the migrations took for granted."""
    return [f'  note: role "{role}" was not there, and was made for this' for role in roles]


def checked(found: Checked, name_width: int) -> list[str]:
    """What came of one migration."""
    name = f"  {found.migration.name:<{name_width}}"
    if found.with_rows and found.migration.down is None:
        lines = [f"{name} has no down file, and was not tried with rows"]
    elif found.is_sound and found.with_rows:
        lines = [f"{name} sound with rows, too"]
    elif found.is_sound:
        notes = []
        if found.migration.down is None:
            notes.append("applies; it has no down file, and is irreversible")
        else:
            notes.append("sound")
        if not found.migration.up.transactional:
            notes.append("runs without a transaction")
        lines = [f"{name} {'; '.join(notes)}"]
    else:
        lines = [f"{name} not sound"]
    if found.failure:
        rows = " with rows" if found.with_rows else ""
        lines.append(f"    its {found.failed_in} fails{rows}:")
        lines += _indented(failed_script(found.failure).splitlines(), 6)
    if found.not_restored:
        lines.append("    its down does not restore what was there before its up:")
        lines += differences(found.not_restored, _AFTER_DOWN, ("before", "after"))
    if found.not_repeated:
        lines.append("    its second up does not give what the first gave:")
        lines += differences(found.not_repeated, _AFTER_UP_AGAIN, ("first", "second"))
    lines += [f"    note: {each.kind} {_bare(each.name)} has its columns in another order"
              for each in _once(found.notes)]  # fmt: skip
    for lost in found.rows_lost:
        table = _bare(lost.table)
        left = f"{lost.after} of {count(lost.before, 'row')}" if lost.after else "none"
        note = "note: " if lost.dropped else ""
        lines.append(
            f"    {note}down and up cost rows of {table}: {lost.before - lost.after} lost, {left}"
            " left"
        )
    return lines


def check_sum(found: Sequence[Checked], of: int) -> str:
    """The sum of all."""
    names = {each.migration.name for each in found}
    faulty = {each.migration.name for each in found if not each.is_sound}
    if not names:
        return "Nothing to check."
    unchecked = of - len(names)
    rest = f"; {unchecked} after that were not looked at" if unchecked else ""
    if not faulty:
        return f"{count(len(names), 'migration')} checked, and all sound."
    return f"{len(faulty)} of {count(len(names), 'migration')} not sound{rest}."


def forecast(found: Forecast, *, failing: bool) -> list[str]:
    """What one migration will do."""
    verdict = found.verdict
    mark = "  <- fails the plan" if failing else ""
    lines = [f"{found.migration.name}: {verdict.words[0]}{mark}"]
    lines += [f"{' ' * len(found.migration.name)}  {words}" for words in verdict.words[1:]]
    for facts in found.facts:
        hazards = [each for each in verdict.hazards if each.statement == facts.number]
        sized = Sized(found.sizes)
        said = _facts(facts, sized)
        if hazards:
            said += [f"still locks {words}" for words in _locks(facts.held, sized)]
        if said or hazards:
            lines.append(f"    {_statement(found.migration.up, facts)}")
            lines += _indented(said, 8)
            lines += [f"      safer: {each.advice}" for each in hazards if each.advice]
            lines += [f"      {_meant(each)}" for each in hazards if each.allowed & each.kinds]
    limits = ", ".join(f"{name} {value}" for name, value in found.timeouts.items())
    lines.append(f"    {limits}")
    return lines


def verified(found: Drift, problems: Sequence[str]) -> list[str]:
    """What differs between the files and the database."""
    lines = list(problems)
    lines += differences(found.differences, _LIVE, ("files", "database"), indent=0)
    lines += [
        f"note: {each.kind} {_bare(each.name)} has its columns in another order"
        for each in found.notes
    ]
    return lines


def ledger_problems(history: History, broken: str | None) -> list[str]:
    """What `status` would say is odd."""
    lines = [f"{each.name}: its file was changed after it was applied" for each in history.edited]
    newer = {row.name for row in history.newer}
    lines += [
        f"{row.name}: applied, and there is no file"
        for row in history.missing
        if row.name not in newer
    ]
    lines += [f"{each.name}: pending, and older than what is applied" for each in history.late]
    if broken:
        lines.append(f"{broken}: broke off, and is half done")
    return lines


def nearest(found: Sequence[Candidate]) -> str:
    """That no version fits, and which comes closest."""
    best = min(found, key=lambda each: len(each.drift.differences))
    number = len(best.drift.differences)
    return (
        "The schema is that of no version of the files. The nearest is"
        f" {best.name}, with {count(number, 'difference')}."
        f"\nTo see them: bin/migrate adopt --to {best.name}"
    )


def ambiguous(found: Sequence[Candidate]) -> str:
    """That several versions have this schema."""
    names = [each.name for each in found]
    lines = ["The schema is that of several versions:"]
    lines += [f"  {name}" for name in names]
    lines.append(f"Say which one the database has seen, as in: bin/migrate adopt --to {names[-1]}")
    return "\n".join(lines)


def differs(candidate: Candidate) -> list[str]:
    """How the database differs from one version."""
    return [
        f"The database differs from {candidate.name}:",
        *differences(candidate.drift.differences, _LIVE, ("files", "database"), indent=2),
        f"To record it all the same: bin/migrate adopt --to {candidate.name} --force",
    ]


def differences(
    found: Iterable[Difference],
    phrases: tuple[str, str, str],
    sides: tuple[str, str],
    *,
    indent: int = 6,
) -> list[str]:
    """Each in a line, and below it a small diff of what changed.

    `phrases` are for what is gone, new and changed; `sides` name the two sides of a diff.
    """
    lines = []
    for each in found:
        gone, new, changed = (
            phrase.format(f"{each.kind} {_bare(each.name)}") for phrase in phrases
        )
        if each.after is None:
            lines.append(gone)
        elif each.before is None:
            odd = ", ".join(_oddities(each.after))
            lines.append(new + (f" ({odd})" if odd else ""))
        else:
            odd = ", ".join(_oddities(each.after))
            lines.append(changed + (f" ({odd})" if odd else ""))
            for fact, before, after in each.changed:
                lines += _indented(_diff(fact, before, after, sides), 2)
    return _indented(lines, indent)


def _diff(fact: str, before: str | None, after: str | None, sides: tuple[str, str]) -> list[str]:
    width = max(map(len, sides))
    lines = []
    for sign, side, value in (("-", sides[0], before), ("+", sides[1], after)):
        label = f"{sign} {side:<{width}}  {fact}: "
        said = _UNSAID.get(fact.partition(" to ")[0], "none") if value is None else value
        first, *rest = said.strip().splitlines() or ["''"]
        lines += [label + first, *_indented(rest, 4)]
    return lines


def _oddities(facts: object) -> list[str]:
    known = facts if isinstance(facts, dict) else {}
    words = {"valid": "INVALID", "validated": "not validated"}
    return [word for fact, word in words.items() if known.get(fact) == "no"]


def _statement(script: Script, facts: StatementFacts) -> str:
    line = Position.of(script.text, facts.offset).line
    text = " ".join(facts.text.split())
    if len(text) > _LONGEST_STATEMENT:
        text = f"{text[: _LONGEST_STATEMENT - 1]}…"
    return f"{script.path}:{line}: {text}"


def _facts(facts: StatementFacts, sized: Sized) -> list[str]:
    """All that it does, each in a line; nothing of what it does not do."""
    lines = [f"locks {words}" for words in _locks(facts.locks, sized)]
    for verb, items in (
        ("rewrites", facts.rewrites),
        ("builds", facts.builds),
        ("rebuilds", facts.rebuilds),
        ("reads every row of", facts.scans),
        ("changes rows of", facts.changes),
        ("empties", facts.empties),
        ("drops", facts.drops),
        ("validates", facts.validates),
        ("attaches", facts.attaches),
        ("detaches", facts.detaches),
    ):
        if items:
            lines.append(f"{verb} {', '.join(map(_item, items))}")
    lines += [f"renames {_item(item)} to {name}" for item, name in facts.renames]
    return lines


def _locks(locks: Sequence[TableLock], sized: Sized) -> list[str]:
    """A line for each mode on each relation, however many of its indexes are locked so."""
    through: dict[tuple[str, str, str], list[str]] = {}
    for lock in locks:
        names = through.setdefault((lock.relation, lock.mode, lock.blocks), [])
        names += [_item(lock.via)] if lock.via else []
    return [
        f"{sized(relation)}{' through ' * bool(names)}{', '.join(names)} in {mode} mode"
        + (f", which blocks {blocks}" if blocks else "")
        for (relation, mode, blocks), names in through.items()
    ]


def _item(item: Item) -> str:
    return f"{item.kind} {item.name}" + (f" of {item.of}" if item.of else "")


def _meant(hazard: Hazard) -> str:
    return f"meant by its author: allow={' allow='.join(sorted(hazard.allowed & hazard.kinds))}"


def _once(found: Sequence[Difference]) -> list[Difference]:
    return list({(each.kind, each.name): each for each in found}.values())


def _bare(name: str) -> str:
    return name.removeprefix("public.")


def _indented(lines: Iterable[str], by: int) -> list[str]:
    return [f"{' ' * by}{line}" if line else line for line in lines]


def _version(number: int) -> str:
    return f"{number // 10000}.{number % 10000}"
