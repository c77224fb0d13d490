"""Every error that a person can cause or meet, as one family.

    CatalogError
    ├── Advised                   said in one line, by every command alike
    │   ├── SettingsError           a variable, option or connection string is not usable
    │   ├── EmbeddedServerError     the embedded Postgres is missing or does not start
    │   ├── DatabaseUnavailable     no connection could be made
    │   ├── ScratchUnavailable      there is no place for a scratch database
    │   └── NewMigrationRefused     no files can be written for that name or those columns
    └── MigrationError            worded by `catalog.migrations.explain`
        ├── FilesInvalid            migration files, or a script, are not in order
        ├── UnknownVersion          no migration has the version asked for
        ├── HistoryRefused          files and ledger contradict each other
        ├── AlreadyRecorded         a database was to be adopted that has been
        ├── Declined                somebody was asked, and said no
        ├── Irreversible            a migration without a down script was to be reverted
        ├── LedgerUnusable          the ledger is not a table that this runner wrote
        ├── RunnerBusy              another runner held the lock for too long
        ├── PoolTooSmall            a pooler has no second server connection for us
        ├── ResumeUnclear           nobody but a person can tell what a broken run left
        ├── HalfDone                a script is half done, and another was to be run
        ├── ScriptFailed            Postgres refused a script
        └── Interrupted             Ctrl-C or SIGTERM arrived during a script

Errors carry facts; those of the runner are put into words in one place, `explain`.
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


class ScratchUnavailable(Advised):
    """There is no server to make a scratch database on, or none may be made there."""


class NewMigrationRefused(Advised):
    """No files can be written for that name or those columns."""


class MigrationError(CatalogError):
    """Migrations were not applied or reverted as asked."""


@dataclass(frozen=True)
class Blocker:
    """A server process that holds what a script waits for; a prepared transaction has pid 0."""

    pid: int
    application: str
    state: str
    """Empty where our role may not see it, nor what follows."""
    seconds: int
    """How long its transaction has been open."""
    query: str
    """The first line of its latest statement."""


@dataclass(frozen=True)
class Blocked:
    """Whom a script waits for, and how many others wait behind it."""

    by: tuple[Blocker, ...]
    behind: int


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


@dataclass(frozen=True)
class Edited:
    """An applied migration whose file says something else now."""

    name: str
    path: str
    applied_text: str
    file_text: str


@dataclass(frozen=True)
class Late:
    """A pending migration numbered below one that is applied, and the number it could have."""

    name: str
    paths: tuple[str, ...]
    free_number: str


class HistoryRefused(MigrationError):
    """The files and the ledger contradict each other in a way that somebody has to settle."""

    def __init__(self, *, edited: Sequence[Edited] = (), late: Sequence[Late] = ()) -> None:
        super().__init__(edited, late)
        self.edited = edited
        self.late = late


class AlreadyRecorded(MigrationError):
    """A database was to be adopted, and its ledger knows migrations already."""

    def __init__(self, newest: str) -> None:
        super().__init__(newest)
        self.newest = newest


class Declined(MigrationError):
    """Somebody was asked whether to go on, and said no. Nothing was done."""


class Irreversible(MigrationError):
    """Migrations without a down script were to be reverted. Nothing was."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.names = names


class LedgerUnusable(MigrationError):
    """There is a table in the ledger's place that this runner did not write."""

    def __init__(self, table: str, columns: Sequence[str] | None, reason: str = "") -> None:
        super().__init__(table, columns, reason)
        self.table = table
        self.columns = columns
        """Those of the table that is there; `None` if none can be kept there."""
        self.reason = reason


class RunnerBusy(MigrationError):
    """Another runner held the lock for longer than we were to wait."""

    def __init__(self, holder: str, waited: float) -> None:
        super().__init__(holder, waited)
        self.holder = holder
        self.waited = waited
        """In seconds."""


class PoolTooSmall(MigrationError):
    """A pooler gave us one server connection for the lock, and none for the work."""


class ResumeUnclear(MigrationError):
    """A run broke off in a script without a transaction, and left something undecidable."""

    def __init__(
        self, name: str, direction: str, statement: int, script: str, finding: str, *, done: int
    ) -> None:
        super().__init__(name, statement, finding)
        self.name = name
        self.direction = direction
        self.statement = statement
        """The number of the statement in doubt, from 1."""
        self.script = script
        """Its text as it was when it was begun."""
        self.finding = finding
        self.done = done
        """How many statements are known to be done."""


class HalfDone(MigrationError):
    """A script without a transaction is half done, and something else was to be run."""

    def __init__(
        self, name: str, direction: str, done: int, journal: tuple[str, str], obstacle: str = ""
    ) -> None:
        super().__init__(name, direction, done)
        self.name = name
        self.direction = direction
        self.done = done
        self.journal = journal
        """The schema and the name of the table that says so."""
        self.obstacle = obstacle
        """What keeps the same command from going on with it, and what to do about that."""


@dataclass(frozen=True)
class ScriptPlace:
    """What messages about a script need to know of it."""

    path: str
    text: str
    transactional: bool
    """Whether it runs in one transaction, and so leaves nothing behind when it fails."""


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
        script: ScriptPlace,
        report: PostgresReport,
        *,
        offset: int | None = None,
        done: int = 0,
        blocked: Blocked | None = None,
        lost: bool = False,
        in_doubt: bool = False,
    ) -> None:
        super().__init__(script.path, report.message)
        self.script = script
        self.report = report
        self.offset = offset
        """Of the failing place in the script's text, in characters, where it is known."""
        self.done = done
        """How many statements took effect, where the script has no transaction."""
        self.blocked = blocked
        """Whom it waited for, if it waited for a lock."""
        self.lost = lost
        """Whether the connection broke, rather than Postgres saying no."""
        self.in_doubt = in_doubt
        """Whether the statement that failed may have committed some of its work before."""


class Interrupted(MigrationError):
    """Ctrl-C or SIGTERM arrived; a running statement was cancelled."""

    def __init__(
        self,
        signal_number: int,
        script: ScriptPlace | None = None,
        *,
        done: int = 0,
        known: bool = True,
    ) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        self.script = script
        """The script that ran, if one did."""
        self.done = done
        self.known = known
        """Whether it could be found out what became of that script."""
