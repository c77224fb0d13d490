"""Every error that a person can cause or meet, as one family.

    CatalogError
    ├── SettingsError             a variable, option or connection string is not usable
    ├── EmbeddedServerError       the embedded Postgres is missing or does not start
    ├── DatabaseUnavailable       no connection could be made
    └── MigrationError
        ├── FilesInvalid          the migration files are not in order
        ├── UnknownVersion        no migration has the version asked for
        ├── ScriptRefused         a script holds something that cannot be run as it is
        ├── MigrationsOutOfOrder  a pending migration is older than an applied one
        ├── MigrationsEdited      an applied migration's file says something else now
        ├── Irreversible          a migration without a down script was to be reverted
        ├── LedgerUnusable        the ledger table is not one that this runner wrote
        ├── RunnerBusy            another runner held the lock for too long
        ├── ScriptFailed          Postgres refused a script
        └── Interrupted           Ctrl-C or SIGTERM arrived while a script ran

Errors carry facts. What they mean in words is said once: by `catalog.migrations.report` for
the migration errors, and by the error itself for the three above them, which every command
shares.
"""

from __future__ import annotations


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
