"""`bin/migrate check`, `plan`, `verify` and `adopt`: what each reads, tries out and prints."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import AlreadyRecorded, FilesInvalid, SettingsError
from catalog.migrations.apply import Runner
from catalog.migrations.foresight import documents, words
from catalog.migrations.foresight.adopt import candidates, through
from catalog.migrations.foresight.check import Check
from catalog.migrations.foresight.forecast import forecasts, read_sizes
from catalog.migrations.foresight.rehearsal import Rehearsal
from catalog.migrations.foresight.scratch import scratch_database
from catalog.migrations.foresight.survey import surveyed
from catalog.migrations.foresight.verify import HISTORY_TABLES, drift
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.refusals import refuse_edited, refuse_late
from catalog.migrations.report import count
from catalog.settings import direct_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.migrations.cli import Command
    from catalog.migrations.events import Event
    from catalog.migrations.foresight.adopt import Candidate
    from catalog.migrations.foresight.check import Checked
    from catalog.migrations.foresight.scratch import Scratch
    from catalog.migrations.foresight.survey import Survey
    from catalog.migrations.migration import Migration, Script
    from catalog.migrations.session import Target


def check(command: Command) -> int:
    """Take every migration up, down and up again. No target is needed."""
    options = command.options
    migrations = load_migrations(Path(options.dir))
    seed = _seed(options.seed)
    found: list[Checked] = []
    told: list[documents.Document] = []
    command.partial = {"scratch": None, "migrations": told}
    width = command.terminal.align([each.name for each in migrations])
    with _rehearsal(command) as (scratch, rehearsal):
        command.place = scratch.target.place
        command.show([*words.servers(None, _server(scratch)), ""])
        run = Check(rehearsal)
        for each in run.run(migrations, since=options.since, seed=seed):
            found.append(each)
            told.append(documents.checked(each))
            command.show(words.checked(each, width))
        command.show(words.roles_made(rehearsal.roles))
    command.show(["", words.check_sum(found, run.total)])
    _print_document(command)
    return 0 if all(each.is_sound for each in found) else 1


def plan(command: Command) -> int:
    """Show what the pending migrations will do to the target."""
    options = command.options
    told: list[documents.Document] = []
    command.partial = {"database": None, "scratch": None, "migrations": told}
    migrations = load_migrations(Path(options.dir))
    with command.target() as target:
        with _surveyed(command, target, migrations) as survey:
            survey.refuse_half_done()
            refuse_edited(survey.history, survey.ledger, survey.connection)
            if not options.out_of_order:
                refuse_late(survey.history.pending, survey.history)
            pending, version = survey.history.pending, survey.version
            applied = survey.applied() if pending else []
            sizes = read_sizes(survey.connection)
        failing = []
        with _rehearsal(command) as (scratch, rehearsal):
            command.show(_header(command, scratch, version))
            for each in forecasts(rehearsal, applied, pending, sizes):
                fails = each.verdict.fails(options.fail_on)
                failing += [each] * fails
                told.append(documents.forecast(each))
                command.show([*words.forecast(each, failing=fails), ""])
            command.show(words.roles_made(rehearsal.roles))
    if not pending:
        command.show([f"Nothing is pending on {target.place}."])
    _print_document(command)
    return 1 if failing else 0


def verify(command: Command) -> int:
    """Compare the live schema with what the files say."""
    command.partial = {"database": None, "scratch": None, "at": None, "differences": []}
    migrations = load_migrations(Path(command.options.dir))
    with command.target() as target:
        with _surveyed(command, target, migrations) as survey:
            applied, version = survey.applied(), survey.version
            problems = words.ledger_problems(survey.history, survey.half_done)
            live = survey.fingerprint(without=HISTORY_TABLES)
        with _rehearsal(command) as (scratch, rehearsal):
            command.show(_header(command, scratch, version))
            for each in applied:
                rehearsal.apply(each)
            files = rehearsal.fingerprint(without=HISTORY_TABLES)
    found = drift(files, live, ignored=command.options.ignore, reader=live.role)
    command.show(words.verified(found, problems))
    sound = not found.differences and not problems
    at = applied[-1].name if applied else None
    if sound:
        command.show([f"ok: the schema is that of {at or 'no migration at all'}"])
    _print_document(
        command,
        at=at,
        differences=documents.differences(found.differences),
        column_order=[each.name for each in found.notes],
        ledger=problems,
    )
    return 0 if sound else 1


def adopt(command: Command) -> int:
    """Record the migrations through the version that a live schema is at as applied."""
    command.partial = {"database": None, "scratch": None, "at": None, "differences": []}
    options = command.options
    if options.force and not options.to:
        raise SettingsError("--force alone says nothing", "name the version with --to VERSION")
    migrations = load_migrations(Path(options.dir))
    with command.target() as target:
        with _surveyed(command, target, migrations) as survey:
            if survey.history.newest:
                raise AlreadyRecorded(survey.history.newest)
            live, version = survey.fingerprint(without=HISTORY_TABLES), survey.version
        with _rehearsal(command) as (scratch, rehearsal):
            command.show(_header(command, scratch, version))
            wanted = through(migrations, options.to)
            found = candidates(rehearsal, wanted, live, reader=live.role)
        # Several fit where a migration changes rows only: nobody but a person can tell which of
        # them the database has seen.
        meant = found[-1:] if options.to else [each for each in found if each.fits]
        adopted = _adoptable(command, found, meant)
        if adopted and not options.dry_run:
            with Runner(
                target,
                migrations,
                table=command.table,
                wait=options.wait,
                tell=command.terminal.show,
            ) as runner:
                runner.record(adopted.through)
    if adopted:
        verb = "would be" if options.dry_run else "is"
        number = count(len(adopted.through), "migration")
        recorded = f"{target.place} {verb} adopted at {adopted.name}"
        command.show([f"{recorded}: {number} recorded as applied."])
    _print_document(
        command,
        at=adopted.name if adopted else None,
        dry_run=options.dry_run,
        fitting=[each.name for each in found if each.fits],
        differences=documents.differences(meant[0].drift.differences) if options.to else [],
    )
    return 0 if adopted else 1


def _adoptable(
    command: Command, found: Sequence[Candidate], meant: Sequence[Candidate]
) -> Candidate | None:
    """The one candidate to adopt; `None`, once it is said why there is none."""
    if len(meant) == 1 and (meant[0].fits or command.options.force):
        return meant[0]
    if not meant:
        command.show([words.nearest(found)])
    elif len(meant) > 1:
        command.show([words.ambiguous(meant)])
    else:
        command.show(words.differs(meant[0]))
    return None


def _seed(path: str | None) -> Script | None:
    if path is None:
        return None
    script = load_seed(Path(path))
    if problems := list(script.problems()):
        raise FilesInvalid(problems)
    return script


@contextmanager
def _surveyed(
    command: Command, target: Target, migrations: Sequence[Migration]
) -> Iterator[Survey]:
    with surveyed(
        target,
        migrations,
        table=command.table,
        wait=command.options.wait,
        tell=command.terminal.show,
    ) as survey:
        command.partial |= {"database": target.place, "server_version": survey.version}
        yield survey


@contextmanager
def _rehearsal(command: Command) -> Iterator[tuple[Scratch, Rehearsal]]:
    options = command.options
    url = None
    if options.scratch_url is not None:
        url = direct_url(options.scratch_url, "--scratch-url")
    with (
        scratch_database(url, wait=options.wait, tell=command.terminal.show) as scratch,
        Rehearsal(scratch, wait=options.wait, tell=_ignore) as rehearsal,
    ):
        place = documents.scratch(scratch.target.place, scratch.version)
        command.partial |= {"scratch": place, "roles_made": rehearsal.roles}
        yield scratch, rehearsal


def _server(scratch: Scratch) -> tuple[str, int]:
    return scratch.target.place, scratch.version


def _header(command: Command, scratch: Scratch, version: int) -> list[str]:
    return [*words.servers((command.place, version), _server(scratch)), ""]


def _print_document(command: Command, **facts: object) -> None:
    if command.options.json:
        command.print_document({**command.partial, **facts, "error": None})


def _ignore(_: Event) -> None:
    pass
