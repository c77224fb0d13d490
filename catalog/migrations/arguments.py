"""The command line of `bin/migrate`: its subcommands, options and help."""

from __future__ import annotations

import argparse
import re

from catalog.migrations.new import TYPES
from catalog.settings import COMMAND, ROOT

DEFAULT_DIRECTORY = ROOT / "sql/migrations"
DEFAULT_SEED = ROOT / "sql/seed.sql"
DEFAULT_WAIT = 60.0  # seconds

HAZARDS = ("blocking", "rewrite", "drop")
FORESIGHT = ("check", "plan", "verify", "adopt")
"""The subcommands that `catalog.migrations.foresight` carries out."""

_FIRST = {
    "status": "list every migration: applied when, or pending",
    "up": "apply pending migrations",
    "down": "revert the last migration, or more",
    "new": "write the next numbered pair of files",
    "plan": "show what pending migrations lock, rewrite, drop",
}
_THEN = {
    "check": "try every migration up, down and up again",
    "verify": "compare the live schema with what the files say",
    "redo": "revert the last migration and apply it again",
    "accept": "record the text that an applied migration's file has now",
    "adopt": "take over a database that another tool built",
    "seed": "run a file of sample data as one transaction",
}

DEFAULTS = {
    "database_url": None,
    "dir": str(DEFAULT_DIRECTORY),
    "wait": DEFAULT_WAIT,
    "table": None,
    "json": False,
}


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; what no option sets is in `DEFAULTS`."""
    # Common options may stand before or after the subcommand; with defaults of their own the
    # ones after it would hide those before.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "--database-url", metavar="URL", help="the database (env: DATABASE_URL; the embedded one)"
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
        help="the ledger (env: MIGRATIONS_TABLE; schema_migrations)",
    )

    top = argparse.ArgumentParser(
        prog=COMMAND,
        usage=f"{COMMAND} COMMAND [options]",
        description=f"first of all:\n{_listed(_FIRST)}\n\nand then:\n{_listed(_THEN)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
        allow_abbrev=False,
        add_help=False,
    )
    top.add_argument(
        "-h", "--help", action="help", help="show this; COMMAND --help has its options and examples"
    )
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, prog=COMMAND, help=argparse.SUPPRESS
    )

    def command(name: str, *examples: str) -> argparse.ArgumentParser:
        summary = {**_FIRST, **_THEN}[name]
        lines = ["example:" if len(examples) == 1 else "examples:"]
        lines += [f"  {COMMAND} {example}".rstrip() for example in examples]
        return commands.add_parser(
            name,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="\n".join(lines),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common],
            allow_abbrev=False,
        )

    up = command(
        "up",
        "up                all of them",
        "up 1              the next one",
        "up --to 0003      those through 0003",
    )
    which = up.add_mutually_exclusive_group()
    which.add_argument("number", metavar="N", nargs="?", type=_count, help="the next N only")
    which.add_argument("--to", metavar="VERSION", help="through this one")

    down = command(
        "down",
        "down              the last one",
        "down --to 0002    all that came after 0002",
        "down --dry-run    says which one, and does nothing",
    )
    which = down.add_mutually_exclusive_group()
    which.add_argument("number", metavar="N", nargs="?", type=_count, help="the last N")
    which.add_argument("--to", metavar="VERSION", help="all newer than this one, which stays")
    which.add_argument("--all", action="store_true", help="all of them")

    redo = command("redo", "redo --yes")

    status = command(
        "status", "status", "status --check    exits 1 if anything is pending, for a deployment"
    )
    status.add_argument("--check", action="store_true", help="exit 1 if anything is pending or odd")

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

    check = command("check", "check", "check --from 0004 --seed sql/seed.sql")
    check.add_argument("--from", dest="since", metavar="VERSION", help="only those after this one")
    check.add_argument(
        "--seed", metavar="FILE", help="also take the newest down and up with these rows"
    )

    plan = command("plan", "plan", "plan --fail-on blocking,rewrite,drop")
    plan.add_argument(
        "--fail-on",
        metavar="KINDS",
        type=_hazards,
        default=(),
        help="exit 1 on any of blocking,rewrite,drop that the file does not allow",
    )
    plan.add_argument(
        "--out-of-order", action="store_true", help="those older than applied ones, too"
    )

    verify = command("verify", "verify --ignore 'index tmp_*'")
    verify.add_argument(
        "--ignore",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out what is named so, as in 'index tmp_*'",
    )

    adopt = command(
        "adopt", "adopt --dry-run   finds the version, and records nothing", "adopt --to 0002"
    )
    adopt.add_argument("--to", metavar="VERSION", help="at this version")
    adopt.add_argument("--force", action="store_true", help="even if its schema differs from that")
    adopt.add_argument("--dry-run", action="store_true", help="find the version, only")

    for each in (check, plan, verify, adopt):
        each.add_argument(
            "--scratch-url",
            metavar="URL",
            help="a server for the scratch database (default: the embedded one)",
        )
        each.add_argument("--json", action="store_true", help="print one JSON document")

    accept = command("accept", "accept 0003")
    accept.add_argument("name", metavar="NAME", help="the migration, or its number")

    new = command(
        "new",
        "new add_isbn_to_books",
        "new create_publishers name:string! city:text founded:dateonly",
    )
    new.add_argument("name", metavar="NAME", help="words_like_these, or create_TABLE with columns")
    new.add_argument(
        "columns",
        metavar="COLUMN:TYPE",
        nargs="*",
        help=f"types: {', '.join(TYPES)}; ! is NOT NULL",
    )

    seed = command("seed", "seed              sql/seed.sql", "seed sql/more.sql")
    seed.add_argument(
        "file", metavar="FILE", nargs="?", default=str(DEFAULT_SEED), help="default: sql/seed.sql"
    )
    return top


def _listed(commands: dict[str, str]) -> str:
    return "\n".join(f"  {name:<8}{summary}" for name, summary in commands.items())


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of migrations')
    return int(text)


def _hazards(text: str) -> tuple[str, ...]:
    kinds = tuple(filter(None, re.split(r"[,|\s]+", text)))
    if not kinds or any(kind not in HAZARDS for kind in kinds):
        raise argparse.ArgumentTypeError(f'"{text}" is none of {", ".join(HAZARDS)}')
    return kinds


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds')
    return seconds
