"""Events, plans and errors put into words. The runner's output is worded here only."""

from __future__ import annotations

import difflib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import (
    Advised,
    Declined,
    FilesInvalid,
    HalfDone,
    HistoryRefused,
    Interrupted,
    Irreversible,
    LedgerUnusable,
    PoolTooSmall,
    ResumeUnclear,
    RunnerBusy,
    ScriptFailed,
    UnknownVersion,
)
from catalog.migrations.events import Finished, Healed, Noticed, Resumed, Retrying, Running, Waiting
from catalog.migrations.position import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.errors import Blocked, Blocker, CatalogError, Edited, FileProblem, Late
    from catalog.migrations.events import Event
    from catalog.migrations.journal import Entry
    from catalog.migrations.losses import Loss
    from catalog.migrations.plan import History

_DONE = {"up": "applied", "down": "reverted"}
_NAME_WIDTH = 40  # columns; longer names push what follows to the right
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")
_REFUSED_IN_TRANSACTION = ("25001", "2D000")


def event_line(event: Event) -> str | None:
    """What happened, in a line; `None` for what is not worth one."""
    match event:
        case Finished(by_other=True):
            return f"  {_DONE[event.direction]:<9} {event.name:<{_NAME_WIDTH}} by another runner"
        case Finished():
            took = duration(event.duration_ms)
            return f"  {_DONE[event.direction]:<9} {event.name:<{_NAME_WIDTH}} {took:>9}"
        case Waiting(reason):
            return f"  waiting for {reason}"
        case Retrying(name, reason, _, blocked):
            whom = f" ({_blocked(blocked)})" if blocked else ""
            return f"  {name}: {reason}{whom}; rolled back, trying again"
        case Resumed(name, done):
            return f"  {name}: goes on after statement {done}"
        case Healed(name, index):
            return f"  {name}: removed the invalid index {index}, to build it again"
        case Noticed(severity, message):
            return f"  {severity.lower()}: " + message.replace("\n", "\n    ")
        case _:
            return None


def live_line(event: Running, width: int) -> str:
    """A line that is written over and over while a script runs."""
    parts = [duration(event.seconds * 1000)]
    if event.percent is not None:
        filled = round(event.percent / 5)
        parts.append(f"[{'#' * filled}{'.' * (20 - filled)}] {event.percent:.0f} %")
    if event.phase:
        parts.append(event.phase)
    if event.blocked:
        parts.append(f"waits for {_blocked(event.blocked)}")
    name, rest = event.name, "  ".join(parts)
    longest = max(12, width - len(rest) - 6)
    if len(name) > longest:
        name = name[: longest - 1] + "…"
    return f"  {name}  {rest}"[: width - 1]


def outcome(finished: Sequence[Finished], history: History, *, nothing: str) -> str:
    """What a whole command came to, in a line; `nothing` is what there was nothing to do of."""
    ours = [event for event in finished if not event.by_other]
    where = whereabouts(newest_after(finished, history))
    if not ours:
        return f"Nothing to {nothing}: {where}."
    counts = [
        f"{count(sum(event.direction == direction for event in ours), 'migration')} {done}"
        for direction, done in _DONE.items()
        if any(event.direction == direction for event in ours)
    ]
    return f"{', '.join(counts)}; {where}."


def newest_after(finished: Sequence[Finished], history: History) -> str | None:
    """The migration that the database is at, once these were applied or reverted."""
    names = dict.fromkeys(row.name for row in history.applied)
    for event in finished:
        names.pop(event.name, None)
        if event.direction == "up":
            names[event.name] = None
    return next(reversed(names), None)


def warnings(history: History, finished: Sequence[Finished]) -> list[str]:
    """What is odd about files and ledger, but keeps nobody from going on."""
    gone = {event.name for event in finished if event.direction == "down"}
    newer = {row.name for row in history.newer} - gone
    lost = [row.name for row in history.missing if row.name not in newer | gone]
    lines = []
    if newer:
        names = ", ".join(sorted(newer))
        lines.append(f"The database is newer than these files: {names} came with a later release.")
    if lost:
        lines.append(f"Applied, but without a file here: {', '.join(lost)}.")
    return lines


def status_table(history: History, broken: Entry | None = None) -> str:
    """Every migration in a line: those applied in their order, then the pending ones."""
    edited = {migration.name for migration in history.edited}
    missing = {row.name for row in history.missing}
    late = {migration.name for migration in history.late}
    lines = [
        (
            row.name,
            row.applied_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            duration(row.duration_ms),
            "changed since" if row.name in edited else "no file" * (row.name in missing),
        )
        for row in history.applied
    ]
    lines += [
        (migration.name, "pending", "", "older than what is applied" * (migration.name in late))
        for migration in history.pending
    ]
    if broken:
        done = broken.statement - (broken.state != "done")
        note = f"broke off after statement {done} of its {broken.direction} script"
        lines = [(*line[:3], note) if line[0] == broken.name else line for line in lines]
    return table(("migration", "applied", "took", ""), lines)


def status_summary(history: History) -> str:
    """The table's sum."""
    pending = len(history.pending)
    follows = f"{pending} pending: bin/migrate up" if pending else "nothing is pending"
    return f"{len(history.applied)} applied, {follows}"


def empty_down(path: str) -> str:
    """A down file that takes nothing back."""
    return f"  {path} is empty: nothing is taken back but the record"


def dry_run(names: Sequence[str], direction: str) -> str:
    """What would be done."""
    if not names:
        return f"Nothing would be {_DONE[direction]}."
    return "\n".join([f"Would be {_DONE[direction]}:", *(f"  {name}" for name in names)])


def loss_lines(lost: Sequence[Loss], estimates: Sequence[int | None]) -> list[str]:
    """What will be gone, with the number of rows where the catalogue has an estimate."""
    lines = []
    for loss, rows in zip(lost, estimates, strict=True):
        what = f"column {loss.column} of {loss.table}" if loss.column else f"table {loss.table}"
        if loss.schema:
            what = f"all tables of the schema {loss.table}"
        verb = "empties" if loss.emptied else "drops"
        about = "" if rows is None else f", about {count(rows, 'row')}"
        lines.append(f"  {verb} {what}{about}")
    return lines


def seeded(path: str, tags: Sequence[str]) -> str:
    """What a script of data changed, by its command tags."""
    changed = sum(int(tag.rpartition(" ")[2]) for tag in tags if tag.startswith(_CHANGES))
    if not changed:
        return f"{path} had nothing to add."
    return f"{path} ran: {count(changed, 'row')} changed."


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


def whereabouts(newest: str | None) -> str:
    """Where the database is."""
    return f"the database is at {newest}" if newest else "the database has no migrations applied"


def error_text(
    error: CatalogError, *, history: History | None = None, finished: Sequence[Finished] = ()
) -> str:
    """What went wrong, what state the database is in, and what to do next.

    Without a history nothing is said of the state: the database was not reached.
    """
    state = _state(history, finished)
    match error:
        case FilesInvalid(problems=problems):
            return "\n".join(map(_file_problem, problems))
        case UnknownVersion(version=version, known=known):
            those = f"from {known[0]} to {known[-1]}" if known else "none"
            return f'there is no migration "{version}"; those there are: {those}'
        case HistoryRefused(edited=edited, late=late):
            return "\n".join([*map(_edited, edited), *_late(late), f"Nothing was done. {state}"])
        case Irreversible(names=names):
            return f"{', '.join(names)}: no down script, so it cannot be reverted. {state}"
        case RunnerBusy(holder=holder, waited=waited):
            return (
                f"another runner is at work: {holder}; waited {waited:g} s. {state}"
                " Try again when it is done, or wait longer with --wait."
            )
        case ScriptFailed():
            return f"{_failed_script(error)}\n\n{_left_behind(error)} {state}\n{_next_step(error)}"
        case Interrupted(script=None):
            return f"interrupted between scripts. {state}"
        case Interrupted(script=script, known=False) if script:
            return (
                f"interrupted in {script.path}. Whether it took effect is not known yet; see"
                " bin/migrate status."
            )
        case Interrupted(script=script) if script:
            return f"interrupted in {script.path}. {_left_behind(error)} {state}"
        case Declined():
            return f"Nothing was done. {state}"
        case Advised():
            return str(error)
        case _:
            return _trouble(error)


def _trouble(error: CatalogError) -> str:
    match error:
        case LedgerUnusable(table=name, columns=None, reason=reason):
            return (
                f"the ledger cannot be kept in {name}: {reason}; name another place with"
                " --table SCHEMA.NAME or MIGRATIONS_TABLE"
            )
        case LedgerUnusable(table=name, columns=columns) if columns is not None:
            return (
                f"the table {name} was not made by this runner (its columns are"
                f" {', '.join(columns)}), and was left as it is; put the ledger elsewhere with"
                " --table SCHEMA.NAME or MIGRATIONS_TABLE"
            )
        case PoolTooSmall():
            return (
                "the connection pooler gave one server connection for the lock, and has none for"
                " the work; use a direct connection (DATABASE_URL_UNPOOLED), or give the pool two"
            )
        case ResumeUnclear(name=name, direction=direction, statement=number):
            script = error.script.strip().replace("\n", "\n    ")
            return (
                f"{name} broke off, and its statement {number} {error.finding}:\n\n    {script}\n\n"
                f"{count(error.done, 'statement')} are known to be done. Look at the database, then"
                " go on with the file's statement K: bin/migrate"
                f" {direction} --resume-at K\n"
                f"  --resume-at {number + 1}   if statement {number} took effect, or\n"
                f"  --resume-at {number}   to run it (again)."
            )
        case HalfDone(name=name, direction=direction, done=done):
            return (
                f"{name} broke off after statement {done} of its {direction} script, and nothing"
                f" else runs before it is whole.\nGo on with it: bin/migrate {direction}. Or take"
                " back by hand what it did, and forget it:"
                f" bin/psql -c 'DROP TABLE {error.journal}'"
            )
        case _:
            return str(error)


def _file_problem(found: FileProblem) -> str:
    place = found.path
    if found.text is not None:
        at = Position.of(found.text, found.offset)
        place += f":{at.line}:{at.column}"
    return f"{place}: {found.problem}; {found.advice}"


def _edited(edited: Edited) -> str:
    diff = difflib.unified_diff(
        edited.applied_text.splitlines(),
        edited.file_text.splitlines(),
        "as applied",
        edited.path,
        lineterm="",
    )
    return "\n".join(
        [
            f"{edited.path} was changed after it was applied:",
            "",
            *(f"    {line}" for line in diff),
            "",
            "Restore the file, and put the change into a new migration; or, if the database has",
            f"the change already, record the new text: bin/migrate accept {edited.name}",
        ]
    )


def _late(late: Sequence[Late]) -> list[str]:
    if not late:
        return []
    lines = ["Pending, but numbered below what is applied already:"]
    lines += [f"  {each.name}" for each in late]
    lines += ["Give them the next free numbers:"]
    for each in late:
        words = each.name.partition("_")[2]
        for path in map(Path, each.paths):
            direction = path.name.rsplit(".", 2)[1]
            to = path.with_name(f"{each.free_number}_{words}.{direction}.sql")
            lines.append(f"  git mv {shlex.quote(str(path))} {shlex.quote(str(to))}")
    return [*lines, "or apply them as they are: bin/migrate up --out-of-order"]


def _failed_script(error: ScriptFailed) -> str:
    said = error.report
    lines = [f"{error.script.path}: {said.message}"]
    if error.offset is not None:
        at = Position.of(error.script.text, error.offset)
        source, caret = at.excerpt()
        lines = [
            f"{error.script.path}:{at.line}:{at.column}: {said.message}",
            "",
            f"    {source}",
            f"    {caret}",
        ]
    for label in ("detail", "hint", "context"):
        if words := getattr(said, label):
            lines.append(f"{label}: " + words.replace("\n", f"\n{' ' * (len(label) + 2)}"))
    if said.sqlstate:
        lines.append(f"SQLSTATE {said.sqlstate}")
    if error.blocked:
        lines.append(f"It waited for {_blocked(error.blocked)}.")
    return "\n".join(lines)


def _blocked(blocked: Blocked) -> str:
    behind = f"; {blocked.behind} waiting behind it" if blocked.behind else ""
    return ", ".join(map(_blocker, blocked.by)) + behind


def _blocker(blocker: Blocker) -> str:
    if not blocker.pid:
        return blocker.state
    query = "".join(char if char.isprintable() else " " for char in blocker.query)
    application = f" ({blocker.application})" if blocker.application else ""
    return (
        f"process {blocker.pid}{application}, {blocker.state} in a transaction of"
        f" {duration(blocker.seconds * 1000)}: {query}"
    )


def _left_behind(error: ScriptFailed | Interrupted) -> str:
    if error.script is None or error.script.transactional:
        return "It was rolled back: nothing of it remains."
    if not error.done:
        return (
            "It runs without a transaction; no statement of it was completed. (An invalid index"
            " that it may have left is removed when it is run again.)"
        )
    return (
        f"It runs without a transaction: {count(error.done, 'statement')} of it took effect, and"
        " the same command goes on from there."
    )


def _next_step(error: ScriptFailed) -> str:
    if error.report.sqlstate in _REFUSED_IN_TRANSACTION and error.script.transactional:
        return (
            "If it needs no transaction, begin the file with the line `-- migrate: no-transaction`"
            " (without BEGIN and COMMIT), and run it again."
        )
    if error.lost or error.blocked:
        return "Run the same command again."
    return "Correct the cause, and run the same command again."


def _state(history: History | None, finished: Sequence[Finished]) -> str:
    if history is None:
        return ""
    where = f"{whereabouts(newest_after(finished, history))}."
    done = f"{count(len(finished), 'migration')} done before; " if finished else ""
    return (done + where)[:1].upper() + (done + where)[1:]
