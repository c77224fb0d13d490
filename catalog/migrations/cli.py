"""`bin/migrate`: arguments, exit codes, standard output and error.

Exit codes: 0 done (also: nothing to do), 1 it failed, 2 wrong usage, 130 and 143 interrupted.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # Ctrl-C while the rest is imported ends it without a traceback; main() changes that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import json
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from catalog.errors import Advised, CatalogError, Declined, FilesInvalid, Interrupted
from catalog.migrations import document, explain, report
from catalog.migrations.apply import Runner
from catalog.migrations.ledger import DEFAULT_TABLE
from catalog.migrations.losses import losses
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.new import TYPES, write_new
from catalog.migrations.session import Target
from catalog.migrations.terminal import Terminal
from catalog.settings import ROOT, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from catalog.migrations.migration import Migration, Script

DEFAULT_DIRECTORY = ROOT / "sql/migrations"
DEFAULT_SEED = ROOT / "sql/seed.sql"
DEFAULT_WAIT = 60.0  # seconds

_EXAMPLES = """\
examples:
  bin/migrate up                   apply all pending migrations
  bin/migrate status               what is applied, what is pending
  bin/migrate down                 revert the last one
  bin/migrate down --to 0002       revert all that is newer than 0002
  bin/migrate new create_publishers name:string city:text!

Without DATABASE_URL, in the environment or in .env, they work on the embedded Postgres.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    options = _parser().parse_args(arguments, argparse.Namespace(**_DEFAULTS))
    command = _Command(options)
    try:
        return command.run()
    except CatalogError as exc:
        return command.fail(exc)
    except psycopg.Error as exc:
        return command.fail(
            Advised(f"{command.place}: {str(exc).strip()}", "nothing more was done")
        )
    except KeyboardInterrupt as exc:
        return command.fail(Interrupted(exc.args[0] if exc.args else signal.SIGINT))
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    # An exception out of a notice handler is lost in libpq: once more, when that is through.
    while frame is not None:
        if frame.f_code.co_name == "_notice_handler":
            threading.Timer(0.02, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    # psycopg cancels the running statement for a KeyboardInterrupt.
    raise KeyboardInterrupt(number)


class _Command:
    """One invocation: what it was asked for, and how far it came."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.place = "Postgres"
        self._runner: Runner | None = None
        # With --json, standard output is for the document alone.
        self._terminal = Terminal(sys.stderr if options.json else sys.stdout)

    def run(self) -> int:
        """Do it, and return the exit code."""
        code: int = getattr(self, self.options.command)()
        sys.stdout.flush()
        return code

    def fail(self, error: CatalogError) -> int:
        """Say what went wrong, in which state the database is, and what to do."""
        history = self._runner.history if self._runner else None
        finished = self._runner.finished if self._runner else ()
        self._terminal.clear()
        print(explain.error_text(error, history=history, finished=finished), file=sys.stderr)
        if self.options.json:
            _print_json(document.run(self.place, history, finished, failure=error))
        return 128 + error.signal_number if isinstance(error, Interrupted) else 1

    def up(self) -> int:
        options = self.options
        which = {"count": options.number, "to": options.to, "out_of_order": options.out_of_order}
        with self._entered(acting=True) as runner:
            if options.dry_run:
                return self._would([(each.name, "up") for each in runner.plan_up(**which)])
            runner.up(**which, resume_at=options.resume_at)
            return self._did(runner, nothing="apply")

    def down(self) -> int:
        options = self.options
        count = None if options.all else options.number or 1
        with self._entered(acting=True) as runner:
            rows = runner.plan_down(count=count, to=options.to)
            scripts = runner.down_scripts(rows)
            for path in [script.path for _, script in scripts if script.is_empty]:
                self._say(report.empty_down(path))
            if options.dry_run:
                return self._would([(row.name, "down") for row in rows])
            self._ask(runner, [script for _, script in scripts])
            runner.down(count=count, to=options.to, resume_at=options.resume_at)
            return self._did(runner, nothing="revert")

    def redo(self) -> int:
        with self._entered(acting=True) as runner:
            scripts = runner.down_scripts(runner.plan_down())
            self._ask(runner, [script for _, script in scripts])
            runner.redo()
            return self._did(runner, nothing="redo")

    def status(self) -> int:
        with self._entered() as runner:
            history, broken = runner.history, runner.half_done
        if self.options.json:
            _print_json(document.status(self.place, history))
        else:
            print(report.status_table(history, broken))
            print(f"\n{self.place}: {report.status_summary(history)}")
        in_order = not (history.pending or history.edited)
        return 0 if in_order or not self.options.check else 1

    def accept(self) -> int:
        with self._entered(acting=True) as runner:
            accepted = runner.accept(self.options.name)
            self._say(f"Recorded the text that {accepted.up.path} has now.")
        return 0

    def seed(self) -> int:
        script = load_seed(Path(self.options.file))
        if problems := list(script.problems()):
            raise FilesInvalid(problems)
        with self._entered(acting=True, migrations=[]) as runner:
            self._say(report.seeded(script.path, runner.run_seed(script)))
        return 0

    def new(self) -> int:
        for path in write_new(Path(self.options.dir), self.options.name, self.options.columns):
            self._say(os.path.relpath(path))
        return 0

    def _did(self, runner: Runner, *, nothing: str) -> int:
        self._terminal.clear()
        if self.options.json:
            _print_json(document.run(self.place, runner.history, runner.finished))
        else:
            for line in report.warnings(runner.history, runner.finished):
                print(line, file=sys.stderr)
            print(report.outcome(runner.finished, runner.history, nothing=nothing))
        return 0

    def _would(self, planned: Sequence[tuple[str, str]]) -> int:
        if self.options.json and self._runner:
            _print_json(document.run(self.place, self._runner.history, (), planned=planned))
        else:
            print(report.dry_run([name for name, _ in planned], self.options.command))
        return 0

    def _ask(self, runner: Runner, scripts: Sequence[Script]) -> None:
        """Name what would be lost, and ask whoever sits at a terminal.

        Raises:
            Declined: The answer is no.
        """
        lost = [loss for script in scripts for loss in losses(script)]
        for line in report.loss_lines(lost, runner.estimate(lost)):
            self._say(line)
        if not lost or self.options.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Declined

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr if self.options.json else sys.stdout, flush=True)

    @contextmanager
    def _entered(
        self, *, acting: bool = False, migrations: Sequence[Migration] | None = None
    ) -> Iterator[Runner]:
        """A runner on the configured database. Files are read before the database is touched."""
        if migrations is None:
            migrations = load_migrations(Path(self.options.dir))
        with self._database() as (conninfo, origin):
            if acting:
                self._say(f"Working on {self.place}")
            runner = Runner(
                Target(conninfo, origin, self.place),
                migrations,
                table=self.options.table or load_settings().migrations_table or DEFAULT_TABLE,
                wait=self.options.wait,
                tell=self._terminal.show,
            )
            with runner:
                self._runner = runner
                yield runner

    @contextmanager
    def _database(self) -> Iterator[tuple[str, str]]:
        """The connection string to use, and the words for where it was set."""
        url = load_settings(database_url=self.options.database_url).migrations_database()
        if url is None:
            # Only whoever needs it waits for its imports.
            from catalog.embedded import embedded_database

            with embedded_database() as server:
                self.place = server.place
                yield server.conninfo, "the embedded server"
            return
        self.place = url.place
        if url.pooled_host:
            note = f"{url.origin} names the pooler {url.pooled_host}; using the direct host instead"
            print(note, file=sys.stderr)
        yield url.conninfo, url.origin


def _print_json(value: dict[str, object]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


_DEFAULTS = {
    "database_url": None,
    "dir": str(DEFAULT_DIRECTORY),
    "wait": DEFAULT_WAIT,
    "table": None,
    "json": False,
}


def _parser() -> argparse.ArgumentParser:
    # Common options may stand before or after the subcommand; with defaults of their own the
    # ones after it would hide those before.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "--database-url", metavar="URL", help="the database (default: DATABASE_URL)"
    )
    common.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        help="how long to wait for what may come back (default: 60)",
    )
    common.add_argument("--dir", metavar="DIR", help="the migrations (default: sql/migrations)")

    common.add_argument(
        "--table",
        metavar="SCHEMA.NAME",
        help="the ledger (env: MIGRATIONS_TABLE; default: schema_migrations)",
    )

    parser = argparse.ArgumentParser(
        prog="bin/migrate",
        description="Apply and revert the numbered SQL files of sql/migrations.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            parents=[common],
            allow_abbrev=False,
        )

    up = command("up", "apply pending migrations")
    which = up.add_mutually_exclusive_group()
    which.add_argument("number", metavar="N", nargs="?", type=_count, help="the next N only")
    which.add_argument("--to", metavar="VERSION", help="through this one")

    down = command("down", "revert migrations, the last one by default")
    which = down.add_mutually_exclusive_group()
    which.add_argument("number", metavar="N", nargs="?", type=_count, help="the last N")
    which.add_argument("--to", metavar="VERSION", help="all newer than this one, which stays")
    which.add_argument("--all", action="store_true", help="all of them")

    redo = command("redo", "revert the last migration and apply it again")

    status = command("status", "list every migration: applied when, or pending")
    status.add_argument("--check", action="store_true", help="exit 1 if anything is pending")

    for each in (up, down):
        each.add_argument("--dry-run", action="store_true", help="list what would run, only")
        each.add_argument(
            "--resume-at",
            metavar="K",
            type=_count,
            help="begin a script without a transaction, that broke off, at its statement K",
        )
    up.add_argument(
        "--out-of-order",
        action="store_true",
        help="apply migrations that are older than applied ones, too",
    )
    for each in (down, redo):
        each.add_argument("--yes", action="store_true", help="do not ask before data is lost")
    for each in (up, down, redo, status):
        each.add_argument("--json", action="store_true", help="print one JSON document")

    accept = command("accept", "record the text that the file of an applied migration has now")
    accept.add_argument("name", metavar="NAME", help="the migration, or its number")

    new = command("new", "write the next numbered pair of files")
    new.add_argument("name", metavar="NAME", help="words_like_these, or create_TABLE with columns")
    new.add_argument(
        "columns",
        metavar="COLUMN:TYPE",
        nargs="*",
        help=f"types: {', '.join(TYPES)}; ! is NOT NULL",
    )

    seed = command("seed", "run a file of sample data as one transaction")
    seed.add_argument(
        "file", metavar="FILE", nargs="?", default=str(DEFAULT_SEED), help="default: sql/seed.sql"
    )
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of migrations')
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds')
    return seconds


if __name__ == "__main__":
    sys.exit(main())
