"""`bin/serve`: the one place that knows both the runner and the API, and starts things.

Without a `DATABASE_URL` it brings up the embedded Postgres, applies pending migrations, and
seeds empty tables. A database that it was pointed at is only read.
"""

from __future__ import annotations

import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

if __name__ == "__main__":
    # Held back while the rest is imported, until main() can end in order.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

import argparse
import gc
import logging
import os
import sys
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, NoReturn, TextIO

import psycopg

from catalog.api.access_log import AccessLog
from catalog.api.app import create_app
from catalog.embedded import embedded_database
from catalog.errors import CatalogError, DatabaseUnavailable
from catalog.http import Server
from catalog.migrations import explain, report
from catalog.migrations.apply import Runner
from catalog.migrations.arguments import DEFAULT_DIRECTORY, DEFAULT_SEED
from catalog.migrations.ledger import DEFAULT_TABLE
from catalog.migrations.migration import load_migrations, load_seed
from catalog.migrations.session import Target
from catalog.settings import load_settings
from catalog.sockets import listening, raise_file_limit

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from starlette.types import ASGIApp

    from catalog.migrations.events import Event
    from catalog.migrations.migration import Migration
    from catalog.settings import Settings

_FIRST_LOOK = 2.0  # seconds that a start waits for the database before it serves without it

_GARBAGE = 10_000  # objects that are made, and not gone again, between two looks for garbage

_BOTH_EMPTY = """
    SELECT NOT EXISTS (SELECT FROM "Authors") AND NOT EXISTS (SELECT FROM "Books")
"""


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM: unwinds everything, so that all is cleaned up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        _stop_on_signals()
        settings = load_settings(host=options.host, port=options.port)
        raise_file_limit()
        with (
            listening(settings.host, settings.port) as listener,
            _database(settings) as (target, table),
        ):
            app = create_app(
                target.conninfo,
                timeout=settings.request_timeout,
                pending=lambda: _count_pending(target, table),
            )
            return serve(app, listener, access_log=options.access_log)
    except _Stopped:
        return 0
    except CatalogError as exc:
        _say(explain.error_text(exc), file=sys.stderr)
        return 1


def serve(app: ASGIApp, listener: socket.socket, *, access_log: bool = False) -> int:
    """Serve an application until a signal ends it, and return the exit code."""
    # Who a client is, is of interest to the log alone.
    server = _Server(AccessLog(app) if access_log else app, behind_proxy=access_log)
    # Raised inside asyncio, _Stopped would leave a trail of warnings; uvicorn's own handlers do
    # not. When it is done, uvicorn raises the signal that ended it once more: for _Stopped.
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        server.run(sockets=[listener])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held_back)
    return 0 if server.started else 1


class _Server(Server):
    """Takes signals as soon as it can act on them, and then says where it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _look_for_less_garbage()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            _say(f"Serving on {url} (Ctrl-C stops)")
            for path in ("/authors", "/books/1"):
                _say(f"  {url}{path}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # A second Ctrl-C would end the requests, and the pool, in the middle.
        if not self.should_exit:
            super().handle_exit(sig, frame)


def _look_for_less_garbage() -> None:
    # What is there by now stays, and only an error leaves cycles behind. With hundreds of requests
    # under way, looking through all of it after every 700 objects took a fifth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[Target, str]]:
    """What to serve from, made ready if it is our own, and the table of its ledger."""
    if url := settings.database:
        target = Target(url.conninfo, url.origin, url.place)
        table = settings.migrations_table or DEFAULT_TABLE
        _look_at(target, table)
        yield target, table
        return
    with embedded_database() as server:
        _say(f"Postgres {server.version} runs: {server.place}")
        target = Target(server.conninfo, "the embedded server", server.place)
        _make_ready(target)
        yield target, DEFAULT_TABLE


def _make_ready(target: Target) -> None:
    """Apply what is pending, and seed what is empty."""
    migrations = load_migrations(DEFAULT_DIRECTORY)
    with Runner(target, migrations, wait=60, tell=_tell) as runner:
        try:
            runner.up()
        except CatalogError as exc:
            finished = runner.finished
            text = explain.error_text(exc, history=runner.history, finished=finished)
            raise _Reported(text) from exc
        if runner.finished:
            _say(report.outcome(runner.finished, runner.history, nothing="apply"))
        with psycopg.connect(target.conninfo, autocommit=True) as connection:
            empty = connection.execute(_BOTH_EMPTY).fetchone()
        if empty == (True,):
            script = load_seed(DEFAULT_SEED)
            _say(report.seeded(script.path, runner.run_seed(script)))


class _Reported(CatalogError):
    """An error that is in words already."""


def _look_at(target: Target, table: str) -> None:
    """Say whether the database can be reached, and whether migrations are pending there.

    Raises:
        DatabaseUnavailable: For a cause that waiting does not mend.
    """
    _say(f"Reading from {target.place}")
    try:
        if names := _pending(target, table):
            listed = ", ".join(names)
            _say(f"Migrations are pending there: {listed}. To apply them: bin/migrate up")
    except DatabaseUnavailable as exc:
        if not exc.passing:
            raise
        _say(f"{exc.problem}; requests are answered with 503 until it is there", file=sys.stderr)
    except (CatalogError, psycopg.Error) as exc:
        words = explain.error_text(exc) if isinstance(exc, CatalogError) else str(exc).strip()
        _say(f"Cannot tell whether migrations are pending: {words}", file=sys.stderr)


def _pending(target: Target, table: str) -> list[str]:
    with Runner(target, _known(), table=table, wait=_FIRST_LOOK, tell=_ignore) as runner:
        return [migration.name for migration in runner.history.pending]


@cache
def _known() -> list[Migration]:
    """The migrations as they were at the start: what a deploy brings is not missing until then."""
    return load_migrations(DEFAULT_DIRECTORY)


def _count_pending(target: Target, table: str) -> int | None:
    with suppress(CatalogError, psycopg.Error):
        return len(_pending(target, table))
    return None


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        # An impatient second one would cut the cleaning up short.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise _Stopped

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        # uvicorn knows no SIGHUP; the terminal is gone, and we go with it in order.
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, hang_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _ignore(_: Event) -> None:
    pass


def _tell(event: Event) -> None:
    if line := report.event_line(event):
        _say(line)


def _say(text: str, file: TextIO | None = None) -> None:
    print(text, file=file, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/serve",
        description="Serve the book catalog over HTTP.",
        epilog="Without DATABASE_URL it runs, migrates and seeds a Postgres of its own.",
        allow_abbrev=False,
    )
    parser.add_argument("--host", help="address to listen on (env: CATALOG_HOST; 127.0.0.1)")
    parser.add_argument("--port", help="port to listen on (env: PORT; 3000; 0 takes a free one)")
    parser.add_argument("--access-log", action="store_true", help="log a line for each request")
    return parser


if __name__ == "__main__":
    sys.exit(main())
