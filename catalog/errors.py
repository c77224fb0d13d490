"""Every error that a person can cause or meet, as one family.

    CatalogError
    ├── Advised                   said in one line, by every command alike
    │   ├── SettingsError           a variable, option or connection string is not usable
    │   ├── EmbeddedServerError     the embedded Postgres is missing or does not start
    │   ├── DatabaseUnavailable     no connection could be made
    │   └── NewMigrationRefused     no files can be written for that name or those columns
    └── MigrationError            worded by `catalog.migrations.report`
        ├── FilesInvalid            migration files, or a script, are not in order
        ├── UnknownVersion          no migration has the version asked for
        ├── HistoryRefused          files and ledger contradict each other
        ├── Irreversible            a migration without a down script was to be reverted
        ├── LedgerUnusable          the ledger is not a table that this runner wrote
        ├── RunnerBusy              another runner held the lock for too long
        ├── ScriptFailed            Postgres refused a script
        └── Interrupted             Ctrl-C or SIGTERM arrived during a script

Errors carry facts; those of the runner are put into words in one place, `report`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class CatalogError(Exception):
    """The root of the family: what a command catches and shows without a traceback."""


class Advised(CatalogError):
    """An error that is said in one line: what is wrong, and what to do about it."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}; {advice}")
        self.problem = problem
        self.advice = advice


class SettingsError(Advised):
    """A variable, option or connection string is not usable. Never quotes a whole URL."""


class EmbeddedServerError(Advised):
    """The embedded Postgres is not installed, or did not start or stop."""


class DatabaseUnavailable(Advised):
    """No connection could be made, at once or within the time allowed.

    `passing` tells whether the cause may go away by itself (a server that restarts or sleeps),
    as against one that somebody has to mend (a wrong password).
    """

    def __init__(self, problem: str, advice: str, *, passing: bool) -> None:
        super().__init__(problem, advice)
        self.passing = passing


class NewMigrationRefused(Advised):
    """No files can be written for that name or those columns."""


class MigrationError(CatalogError):
    """Migrations were not applied or reverted as asked."""


@dataclass(frozen=True)
class FileProblem:
    """Something wrong with a file, and where in its text that is."""

    path: str
    problem: str
    advice: str
    text: str | None = None
    offset: int = 0
    """In characters from the start of `text`."""


class FilesInvalid(MigrationError):
    """Migration files are not in order. Nothing was read or written in the database."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__(problems)
        self.problems = problems


class UnknownVersion(MigrationError):
    """No migration has the version that was asked for."""

    def __init__(self, version: str, known: Sequence[str]) -> None:
        super().__init__(version)
        self.version = version
        self.known = known
        """The names there are to choose from, oldest first."""


class HistoryRefused(MigrationError):
    """The files and the ledger contradict each other in a way that somebody has to settle."""

    def __init__(self, *, edited: Sequence[str] = (), late: Sequence[str] = ()) -> None:
        super().__init__(edited, late)
        self.edited = edited
        """Paths of applied migrations whose file says something else now."""
        self.late = late
        """Paths of pending migrations numbered below the newest applied one."""


class Irreversible(MigrationError):
    """Migrations without a down script were to be reverted. Nothing was."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.names = names


class LedgerUnusable(MigrationError):
    """There is a table in the ledger's place that this runner did not write."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        super().__init__(table, columns)
        self.table = table
        self.columns = columns


class RunnerBusy(MigrationError):
    """Another runner held the lock for longer than we were to wait."""

    def __init__(self, holder: str, waited: float) -> None:
        super().__init__(holder, waited)
        self.holder = holder
        self.waited = waited
        """In seconds."""


@dataclass(frozen=True)
class PostgresReport:
    """What Postgres said of a failure, in its own words."""

    sqlstate: str | None
    message: str
    detail: str | None = None
    hint: str | None = None
    context: str | None = None


class ScriptFailed(MigrationError):
    """Postgres refused a script, or the connection broke while it ran."""

    def __init__(
        self,
        path: str,
        text: str,
        report: PostgresReport,
        *,
        offset: int | None,
        transactional: bool,
        done: int = 0,
        statements: int = 0,
    ) -> None:
        super().__init__(path, report.message)
        self.path = path
        self.text = text
        self.report = report
        self.offset = offset
        """Of the failing place in `text`, in characters, where it is known."""
        self.transactional = transactional
        """Whether the script ran in one transaction, and so left nothing behind."""
        self.done = done
        """How many of its statements had been carried out, where it has no transaction."""
        self.statements = statements


class Interrupted(MigrationError):
    """Ctrl-C or SIGTERM arrived while a script ran; the statement was cancelled."""

    def __init__(self, path: str, signal_number: int, *, transactional: bool, done: int) -> None:
        super().__init__(path, signal_number)
        self.path = path
        self.signal_number = signal_number
        self.transactional = transactional
        self.done = done
