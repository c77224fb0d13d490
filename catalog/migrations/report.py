"""Events, histories and plans put into words; `explain` does so with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.migrations.events import Finished, Healed, Noticed, Resumed, Retrying, Running, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.errors import Blocked, Blocker
    from catalog.migrations.events import Event
    from catalog.migrations.journal import Entry
    from catalog.migrations.losses import Loss
    from catalog.migrations.plan import History

_DONE = {"up": "applied", "down": "reverted"}
NAME_WIDTH = 40  # columns, where there are no longer names
_TOOK_WIDTH = 9
_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")


def event_line(event: Event, name_width: int = NAME_WIDTH) -> str | None:
    """What happened, in a line; `None` for what is not worth one."""
    match event:
        case Finished(by_other=True):
            return f"  {_DONE[event.direction]:<9} {event.name:<{name_width}} by another runner"
        case Finished():
            took = duration(event.duration_ms)
            # A name that is longer takes room from what follows, which ends where the others do.
            room = _TOOK_WIDTH - max(0, len(event.name) - name_width)
            took = took.rjust(room)
            return f"  {_DONE[event.direction]:<9} {event.name:<{name_width}} {took}"
        case Waiting(reason):
            return f"  waiting for {reason}"
        case Retrying(name, reason, _, blocked):
            whom = f" ({blocked_by(blocked)})" if blocked else ""
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
        parts.append(f"waits for {blocked_by(event.blocked)}")
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


def status_table(
    history: History, broken: Entry | None = None, *, columns: int | None = None
) -> str:
    """Every migration in a line: those applied in their order, then the pending ones.

    Where there are only so many columns, a long name has a line to itself.
    """
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
        if broken.name not in {line[0] for line in lines}:
            lines.append((broken.name, "no file", "", ""))
        lines = [(*line[:3], note) if line[0] == broken.name else line for line in lines]
    return table(("migration", "applied", "took", ""), lines, columns)


def status_summary(history: History) -> str:
    """The table's sum."""
    pending, edited = len(history.pending), len(history.edited)
    follows = f"{pending} pending: bin/migrate up" if pending else "nothing is pending"
    odd = f" ({edited} changed since)" if edited else ""
    return f"{len(history.applied)} applied{odd}, {follows}"


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


def name_width(names: Sequence[str], columns: int | None) -> int:
    """How wide the column of these names is, where a line has only so many columns."""
    longest = max((*map(len, names), NAME_WIDTH))
    if columns is None:
        return longest
    return max(1, min(longest, columns - _TOOK_WIDTH - len("  reverted   ")))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None = None) -> str:
    """Aligned columns, the last of which may go over the edge of a screen."""
    cells = (header, *rows)
    first, *widths, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
    if columns is not None:
        first = max(len(header[0]), min(first, columns - sum(width + 2 for width in widths)))
    lines = []
    for name, *rest in cells:
        if len(name) > first:
            lines.append(name)
            name = ""
        padded = [cell.ljust(width) for cell, width in zip(rest, [*widths, 0], strict=True)]
        lines.append("  ".join([name.ljust(first), *padded]).rstrip())
    return "\n".join(lines)


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


def blocked_by(blocked: Blocked) -> str:
    """Whom a script waits for, and how many wait behind it."""
    behind = f"; {blocked.behind} waiting behind it" if blocked.behind else ""
    return ", ".join(map(_blocker, blocked.by)) + behind


def _blocker(blocker: Blocker) -> str:
    if not blocker.pid:
        return "a prepared transaction"
    query = "".join(char if char.isprintable() else " " for char in blocker.query)
    application = f" ({blocker.application})" if blocker.application else ""
    if not blocker.state:
        hidden = "what it does, only members of pg_read_all_stats may see"
        return f"process {blocker.pid}{application}; {hidden}"
    return (
        f"process {blocker.pid}{application}, {blocker.state} in a transaction of"
        f" {duration(blocker.seconds * 1000)}: {query}"
    )
