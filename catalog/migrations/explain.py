"""Errors put into words: what went wrong, what state the database is in, and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.errors import (
    Advised,
    AlreadyRecorded,
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
from catalog.migrations.position import Position
from catalog.migrations.report import blocked_by, count, newest_after, whereabouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.errors import CatalogError, Edited, FileProblem, Late
    from catalog.migrations.events import Finished
    from catalog.migrations.plan import History

_REFUSED_IN_TRANSACTION = ("25001", "2D000")


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
            return f"{failed_script(error)}\n\n{_left_behind(error)} {state}\n{_next_step(error)}"
        case Interrupted(script=None):
            return f"interrupted between scripts. {state}" if state else "interrupted at the start"
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
            return f"{error}. {state}" if state else str(error)
        case _:
            return _trouble(error)


def failed_on_scratch(error: ScriptFailed) -> str:
    """A failure on a scratch database, of which nothing is left and nobody has to know."""
    return (
        f"{failed_script(error)}\n\nIt ran on a scratch database, where the tables are empty; no"
        " other was changed. Correct the cause, and run the same command again."
    )


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
        case AlreadyRecorded(newest=newest):
            return (
                f"the ledger knows migrations already, the newest is {newest}: there is nothing to"
                " adopt. See bin/migrate status."
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
                f"{count(error.done, 'statement')} {'is' if error.done == 1 else 'are'} known to be"
                " done. Look at the database, then go on with the file's statement K: bin/migrate"
                f" {direction} --resume-at K\n"
                f"  --resume-at {max(number, error.done) + 1}   if statement {number} took"
                " effect as it should, or\n"
                f"  --resume-at {number}   to run it (again), and all that come after it."
            )
        case HalfDone(name=name, direction=direction, done=done):
            return (
                f"{name} broke off after statement {done} of its {direction} script, and nothing"
                f" else runs before it is whole.\n{_go_on(error)}. Or take back by hand what it"
                f" did, and forget it: bin/psql -c {shlex.quote(_forget(error))}"
            )
        case _:
            return str(error)


def _go_on(error: HalfDone) -> str:
    command = f"bin/migrate {error.direction}"
    return f"{error.obstacle}; then: {command}" if error.obstacle else f"Go on with it: {command}"


def _forget(error: HalfDone) -> str:
    return f"DROP TABLE {sql.Identifier(*error.journal).as_string()}"


def _file_problem(found: FileProblem) -> str:
    place = found.path
    if found.text is not None:
        at = Position.of(found.text, found.offset)
        place += f":{at.line}:{at.column}"
    return f"{place}: {found.problem}; {found.advice}"


def _edited(edited: Edited) -> str:
    import difflib  # takes long to import, and is seldom needed

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
            "Restore the file, and put the change into a new migration; or, if the database",
            f"has the change already, record the new text: bin/migrate accept {edited.name}",
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


def failed_script(error: ScriptFailed) -> str:
    """The place and the cause, in Postgres' words, and nothing of what is left behind."""
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
        lines.append(f"It waited for {blocked_by(error.blocked)}.")
    return "\n".join(lines)


def _left_behind(error: ScriptFailed | Interrupted) -> str:
    if error.script is None or error.script.transactional:
        return "It was rolled back: nothing of it remains."
    if isinstance(error, ScriptFailed) and error.in_doubt:
        return (
            f"It runs without a transaction: {count(error.done, 'statement')} of it took effect,"
            f" and of statement {error.done + 1} whatever it committed before it failed."
        )
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
    if error.in_doubt:
        return (
            "Correct the cause, and see what is there. Then run the same command again: it stops,"
            " and shows how to go on."
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
