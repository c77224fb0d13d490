"""Migrations run on a scratch database, by the runner itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self, TypeVar

from catalog.errors import ScriptFailed
from catalog.migrations.apply import Runner
from catalog.migrations.foresight.fingerprint import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import psycopg

    from catalog.migrations.events import Event
    from catalog.migrations.foresight.scratch import Scratch
    from catalog.migrations.migration import Migration, Script

T = TypeVar("T")

# A name of its own, so that the ledger is in nobody's way, whatever the migrations make.
LEDGER = "public.catalog_scratch_ledger"
OUR_TABLES = (LEDGER, f"{LEDGER}_journal")


class Rehearsal:
    """A scratch database, and the runner at work on it as long as it is entered."""

    def __init__(self, scratch: Scratch, *, wait: float, tell: Callable[[Event], None]) -> None:
        self._scratch = scratch
        self._wait = wait
        self._tell = tell
        self.roles: list[str] = []
        """Those that migrations took for granted, and that were made for them."""

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _open(self) -> None:
        with ExitStack() as opened:
            self.connection = opened.enter_context(self._scratch.connect())
            runner = Runner(
                self._scratch.target, [], table=LEDGER, wait=self._wait, tell=self._tell
            )
            self._runner = opened.enter_context(runner)
            opened.enter_context(runner.locked(create=True))
            self._opened = opened.pop_all()

    def start_over(self) -> None:
        """Begin with an empty database once more."""
        self._opened.close()
        self._scratch.renew()
        self._open()

    def connect(self) -> psycopg.Connection:
        """Another connection to the database."""
        return self._scratch.connect()

    def apply(self, migration: Migration) -> None:
        """Apply one.

        Raises:
            ScriptFailed, ResumeUnclear, Interrupted, RunnerBusy: As for `Runner.up`.
        """
        self.with_roles(lambda: self._runner.apply(migration))

    def revert(self, migration: Migration, script: Script) -> None:
        """Revert one by its down script.

        Raises:
            ScriptFailed, ResumeUnclear, Interrupted, RunnerBusy: As for `Runner.down`.
        """
        self.with_roles(lambda: self._runner.revert(migration.name, script))

    def run_seed(self, script: Script) -> None:
        """Run a script of data.

        Raises:
            ScriptFailed: Postgres refused it.
        """
        self.with_roles(lambda: self._runner.run_seed(script))

    def fingerprint(self, *, without: Collection[str] = ()) -> Fingerprint:
        """The schema as it is now, without the ledger and these tables."""
        return Fingerprint.read(self.connection, without=[*OUR_TABLES, *without], often=True)

    def with_roles(self, act: Callable[[], T]) -> T:
        """Do it again for as long as it fails for want of a role that can be made.

        Raises:
            ScratchUnavailable: It needs an extension that the server does not have.
            ScriptFailed: It fails for another reason.
        """
        made = set[str]()
        while True:
            try:
                return act()
            except ScriptFailed as exc:
                self._scratch.refuse_missing_extension(exc)
                role = self._scratch.make_role_for(exc)
                if role is None or role in made:
                    raise
                made.add(role)
                self.roles += [] if role in self.roles else [role]
