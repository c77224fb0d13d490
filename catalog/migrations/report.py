"""Events, plans and errors put into words. The runner's output is worded here only."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from catalog.errors import (
    Advised,
    FilesInvalid,
    HistoryRefused,
    Interrupted,
    Irreversible,
    LedgerUnusable,
    RunnerBusy,
    ScriptFailed,
    UnknownVersion,
)
from catalog.migrations.apply import Event, Finished, Noticed, Started, Waiting
from catalog.migrations.position import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.database import Reply
    from catalog.errors import CatalogError, FileProblem
    from catalog.migrations.plan import History

_DONE = {"up": "applied", "down": "reverted"}
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")
_NAME_WIDTH = 40  # columns; longer names push what follows to the right


def event_line(event: Event) -> str | None:
    """What happened, in a line; `None` for what is not worth one."""
    match event:
        case Finished(name, direction, duration_ms):
            line = f"  {_DONE[direction]:<9} {name:<{_NAME_WIDTH}} {duration(duration_ms):>9}"
        case Waiting(reason):
            line = f"  waiting for {reason}"
        case Noticed(severity, message):
            line = f"  {severity.lower()}: {message}"
        case Started():
            return None
    return line


def outcome(finished: Sequence[Finished], history: History, *, nothing: str) -> str:
    """What a whole command came to, in a line; `nothing` is what there was nothing to do of."""
    if not finished:
        return f"Nothing to {nothing}: {_whereabouts(history.newest)}."
    counts = [
        f"{count(sum(event.direction == direction for event in finished), 'migration')} {done}"
        for direction, done in _DONE.items()
        if any(event.direction == direction for event in finished)
    ]
    return f"{', '.join(counts)}; {_whereabouts(newest_after(finished, history))}."


def seeded(path: str, reply: Reply) -> str:
    """What a script of data changed."""
    changed = sum(int(tag.rpartition(" ")[2]) for tag in reply.tags if tag.startswith(_CHANGES))
    return (
        f"{path} ran: {count(changed, 'row')} changed."
        if changed
        else f"{path} had nothing to add."
    )


def newest_after(finished: Sequence[Finished], history: History) -> str | None:
    """The migration that the database is at, once these were applied or reverted."""
    names = [row.name for row in history.applied]
    for event in finished:
        if event.direction == "up":
            names = [*(name for name in names if name != event.name), event.name]
        else:
            names = [name for name in names if name != event.name]
    return names[-1] if names else None


def status_table(history: History) -> str:
    """Every migration in a line: those applied in their order, then the pending ones."""
    missing = {row.name for row in history.missing}
    lines = [
        (
            row.name,
            row.applied_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            duration(row.duration_ms) + ("  (its file is not here)" if row.name in missing else ""),
        )
        for row in history.applied
    ]
    lines += [(migration.name, "pending", "") for migration in history.pending]
    return table(("migration", "applied", "took"), lines)


def status_summary(history: History) -> str:
    """The table's sum."""
    pending = len(history.pending)
    follows = f"{pending} pending: bin/migrate up" if pending else "nothing is pending"
    return f"{len(history.applied)} applied, {follows}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def duration(milliseconds: float) -> str:
    """A length of time with as much precision as a person wants of it."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def error_text(
    error: CatalogError, *, history: History | None = None, finished: Sequence[Finished] = ()
) -> str:
    """What went wrong, what state the database is in, and what to do next.

    Without a history nothing is said of the state: the database was not reached.
    """
    state = _state(history, finished)
    match error:
        case Advised():
            return str(error)
        case FilesInvalid(problems=problems):
            return "\n".join(map(_file_problem, problems))
        case UnknownVersion(version=version, known=known):
            newest = f"from {known[0]} to {known[-1]}" if known else "none"
            return f'there is no migration "{version}"; those here are {newest}'
        case HistoryRefused(edited=edited, late=late):
            return "\n".join(
                [
                    *(f"{path}: was changed after it was applied" for path in edited),
                    *(f"{path}: is older than what is applied already" for path in late),
                ]
            )
        case Irreversible(names=names):
            return f"{', '.join(names)}: no down script, so it cannot be reverted. {state}"
        case LedgerUnusable(table=name, columns=()):
            return f"there is no schema to keep the table {name} in; set a search_path"
        case LedgerUnusable(table=name, columns=columns):
            return (
                f"the table {name} was not made by this runner (its columns are "
                f"{', '.join(columns)}); it was left as it is"
            )
        case RunnerBusy(holder=holder, waited=waited):
            return (
                f"another runner is at work: {holder}. Waited {waited:g} s; {state}"
                " Try again when it is done, or wait longer with --wait."
            )
        case ScriptFailed():
            return f"{_failed_script(error)}\n\n{_left_behind(error)} {state}\n{_next_step(error)}"
        case Interrupted(path=path):
            return f"interrupted in {path}: {_left_behind(error)} {state}"
        case _:
            return str(error)


def _file_problem(found: FileProblem) -> str:
    place = found.path
    if found.text is not None:
        at = Position.of(found.text, found.offset)
        place += f":{at.line}:{at.column}"
    return f"{place}: {found.problem}; {found.advice}"


def _failed_script(error: ScriptFailed) -> str:
    said = error.report
    lines = [f"{error.path}: {said.message}"]
    if error.offset is not None:
        at = Position.of(error.text, error.offset)
        source, caret = at.excerpt()
        lines = [
            f"{error.path}:{at.line}:{at.column}: {said.message}",
            "",
            f"    {source}",
            f"    {caret}",
        ]
    for label in ("detail", "hint", "context"):
        if words := getattr(said, label):
            lines.append(f"{label}: " + words.replace("\n", f"\n{' ' * (len(label) + 2)}"))
    if said.sqlstate:
        lines.append(f"SQLSTATE {said.sqlstate}")
    return "\n".join(lines)


def _left_behind(error: ScriptFailed | Interrupted) -> str:
    if error.transactional:
        return "It was rolled back: nothing of it remains."
    if not error.done:
        return "It runs without a transaction; no statement of it was completed."
    return (
        f"It runs without a transaction: its first {count(error.done, 'statement')} remain in"
        " effect, and it is not recorded as applied."
    )


def _next_step(error: ScriptFailed) -> str:
    if error.transactional or not error.done:
        return "Correct the cause and run the same command again."
    return "Undo by hand what it left behind, correct the cause, and run the same command again."


def _state(history: History | None, finished: Sequence[Finished]) -> str:
    if history is None:
        return ""
    before = f"{count(len(finished), 'migration')} before it remain done; " if finished else ""
    where = _whereabouts(newest_after(finished, history))
    return f"{before}{where}."[:1].upper() + f"{before}{where}."[1:]


def _whereabouts(newest: str | None) -> str:
    return f"the database is at {newest}" if newest else "the database has no migrations applied"
