"""`bin/migrate`: arguments, exit codes, standard output and error.

Exit codes: 0 done (also: nothing to do), 1 it failed, 2 wrong usage, 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from catalog.embedded import embedded_database
from catalog.errors import CatalogError, FilesInvalid, Interrupted
from catalog.migrations import report
from catalog.migrations.apply import Runner
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.new import TYPES, write_new
from catalog.settings import ROOT, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from catalog.migrations.apply import Event, Finished
    from catalog.migrations.migration import Migration
    from catalog.migrations.plan import History

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
    signal.signal(signal.SIGTERM, _terminate)
    options = _parser().parse_args(arguments, argparse.Namespace(**_DEFAULTS))
    command = _Command(options)
    try:
        return command.run()
    except CatalogError as exc:
        history, finished = command.state
        print(report.error_text(exc, history=history, finished=finished), file=sys.stderr)
        return 128 + exc.signal_number if isinstance(exc, Interrupted) else 1
    except psycopg.Error as exc:
        print(f"{command.place}: {str(exc).strip()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as exc:
        print("interrupted before anything more was done", file=sys.stderr)
        return 128 + (exc.args[0] if exc.args else signal.SIGINT)
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _terminate(number: int, _frame: FrameType | None) -> None:
    # psycopg cancels the running statement for a KeyboardInterrupt.
    raise KeyboardInterrupt(number)


class _Command:
    """One invocation: what it was asked for, and how far it came."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.place = "Postgres"
        self._runner: Runner | None = None

    @property
    def state(self) -> tuple[History | None, Sequence[Finished]]:
        """The history as read, and what was done since: what a failure is told with."""
        return (self._runner.history, self._runner.finished) if self._runner else (None, ())

    def run(self) -> int:
        """Do it, and return the exit code."""
        code: int = getattr(self, self.options.command)()
        sys.stdout.flush()
        return code

    def up(self) -> int:
        to, number = self.options.to, self.options.number
        with self._entered(acting=True) as runner:
            runner.up(lambda history: history.to_apply(count=number, to=to))
            print(report.outcome(runner.finished, runner.history, nothing="apply"))
        return 0

    def down(self) -> int:
        to, number = self.options.to, None if self.options.all else self.options.number or 1
        with self._entered(acting=True) as runner:
            runner.down(lambda history: history.to_revert(count=number, to=to))
            print(report.outcome(runner.finished, runner.history, nothing="revert"))
        return 0

    def redo(self) -> int:
        with self._entered(acting=True) as runner:
            runner.redo()
            print(report.outcome(runner.finished, runner.history, nothing="redo"))
        return 0

    def status(self) -> int:
        with self._entered() as runner:
            print(report.status_table(runner.history))
            print(f"\n{self.place}: {report.status_summary(runner.history)}")
        return 0

    def seed(self) -> int:
        script = load_seed(Path(self.options.file))
        if problems := list(script.problems()):
            raise FilesInvalid(problems)
        with self._entered(acting=True, migrations=[]) as runner:
            print(report.seeded(script.path, runner.run_seed(script)))
        return 0

    def new(self) -> int:
        for path in write_new(Path(self.options.dir), self.options.name, self.options.columns):
            print(os.path.relpath(path))
        return 0

    @contextmanager
    def _entered(
        self, *, acting: bool = False, migrations: Sequence[Migration] | None = None
    ) -> Iterator[Runner]:
        """A runner on the configured database. Files are read before the database is touched."""
        if migrations is None:
            migrations = load_migrations(Path(self.options.dir))
        with self._database() as (conninfo, origin):
            if acting:
                print(f"Working on {self.place}", flush=True)
            self._runner = Runner(
                conninfo,
                migrations,
                origin=origin,
                place=self.place,
                wait=self.options.wait,
                tell=_tell,
            )
            with self._runner as runner:
                yield runner

    @contextmanager
    def _database(self) -> Iterator[tuple[str, str]]:
        """The connection string to use, and the words for where it was set."""
        url = load_settings(database_url=self.options.database_url).migrations_database()
        if url is None:
            with embedded_database() as server:
                self.place = server.place
                yield server.conninfo, "the embedded server"
            return
        self.place = url.place
        if url.pooled_host:
            note = f"{url.origin} names the pooler {url.pooled_host}; using the direct host instead"
            print(note, file=sys.stderr)
        yield url.conninfo, url.origin


def _tell(event: Event) -> None:
    if line := report.event_line(event):
        print(line, flush=True)


_DEFAULTS = {"database_url": None, "dir": str(DEFAULT_DIRECTORY), "wait": DEFAULT_WAIT}


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

    command("redo", "revert the last migration and apply it again")
    command("status", "list every migration: applied when, or pending")

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
