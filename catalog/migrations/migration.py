"""Files turned into migrations, with every problem of names and contents found at once."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import FileProblem, FilesInvalid
from catalog.migrations.scanner import (
    Statement,
    Token,
    fingerprint,
    is_between_tokens,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE_NAME = re.compile(r"(?P<name>(?P<version>[0-9]+)_[\w.-]+)\.(?P<direction>up|down)\.sql")
# The others are how sqlx, morph and Atlas, whose histories are named like ours, say no-transaction.
_DIRECTIVE = re.compile(
    r"""
    ^ [ \t]* (?P<line> --
        (?: [ \t]* migrate: (?P<words> .*)
          | [ ] (?: no-transaction | morph:nontransactional | atlas:txmode[ ]none )
        )
    ) [ \t]* $
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_TIMEOUT = re.compile(
    r"(?P<name>lock_timeout|statement_timeout)=(?P<value>0|[0-9]{1,12}(?P<unit>ms|s|min|h))"
)
_MILLISECONDS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
_ALLOWED = re.compile(r"allow=(?P<hazard>blocking|rewrite|drop)")
_ON_ERROR_STOP = re.compile(r"^\\set[ \t]+ON_ERROR_STOP[ \t]+(?:on|true|1)[ \t]*$", re.MULTILINE)
_NO_TRANSACTION = "no-transaction"

_OPENINGS = (("BEGIN",), ("BEGIN", "WORK"), ("BEGIN", "TRANSACTION"), ("START", "TRANSACTION"))
_CLOSINGS = tuple(
    (first, *second) for first in ("COMMIT", "END") for second in ((), ("WORK",), ("TRANSACTION",))
)

# Statements that end or divide the transaction in which a script runs with its record.
_TRANSACTION_CONTROL = {
    *("BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"),
    *("START TRANSACTION", "PREPARE TRANSACTION"),
}


@dataclass(frozen=True)
class Script:
    """One SQL file, or the text of one that the ledger kept."""

    path: str
    """How messages name it: the path from the current folder."""

    text: str
    alone: bool = False
    """Whether Postgres turned out to refuse its one statement in a transaction."""

    @property
    def text_hash(self) -> str:
        """SHA-256 of the text to the letter."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_empty(self) -> bool:
        """Whether there is not even a comment in it."""
        return not self.text.strip()

    @cached_property
    def _all_statements(self) -> list[Statement]:
        return split(self.text)

    @cached_property
    def wrapped(self) -> bool:
        """Whether the file is `BEGIN … COMMIT`, which is the transaction that we make anyway."""
        found = self._all_statements
        return (
            len(found) >= 2
            and self.transactional
            and found[0].first_words(3) in _OPENINGS
            and found[-1].first_words(3) in _CLOSINGS
            and not any(map(_controls_transaction, found[1:-1]))
        )

    @property
    def statements(self) -> list[Statement]:
        """What is to be run, without the `BEGIN … COMMIT` that a file may be wrapped in."""
        return self._all_statements[1:-1] if self.wrapped else self._all_statements

    @property
    def body(self) -> str:
        """The text to send in a transaction of ours; every offset is that in the file."""
        if not self.wrapped:
            return self.text
        text = self.text
        for statement in (self._all_statements[0], self._all_statements[-1]):
            end = statement.start + len(statement.text)
            text = text[: statement.start] + " " * len(statement.text) + text[end:]
        return text

    @property
    def transactional(self) -> bool:
        """Whether it runs in one transaction with its record; its head may say no."""
        return not self.alone and _NO_TRANSACTION not in self._directives

    @property
    def runs_in_steps(self) -> bool:
        """Whether it runs without a transaction, or may have."""
        return not self.transactional or self.may_run_alone

    @property
    def may_run_alone(self) -> bool:
        """Whether it can do without a transaction, should Postgres refuse it in one.

        Histories of other tools have such files without a word about it: of one statement, or of
        several that are all of that kind.
        """
        if not self.transactional or self.wrapped:
            return False
        if len(self.statements) == 1:
            return not self.statements[0].begins("SET")
        return all(
            "CONCURRENTLY" in statement.first_words(4) or statement.begins("VACUUM")
            for statement in self.statements
        )

    @property
    def allowed(self) -> frozenset[str]:
        """What its author means to happen, whatever `plan` may say of it, such as `blocking`."""
        found = map(_ALLOWED.fullmatch, self._directives)
        return frozenset(each["hazard"] for each in found if each)

    @property
    def timeouts(self) -> dict[str, str]:
        """What its head says of `lock_timeout` and `statement_timeout`, in Postgres' spelling."""
        found = map(_TIMEOUT.fullmatch, self._directives)
        return {each["name"]: each["value"] for each in found if each}

    @cached_property
    def _directives(self) -> dict[str, int]:
        """The words of the lines `-- migrate: …` above the first statement, with their offsets."""
        words: dict[str, int] = {}
        for found in _DIRECTIVE.finditer(self.text, 0, self._first_start):
            if not is_between_tokens(self.text, found.start("line")):
                continue
            if found["words"] is None:
                words[_NO_TRANSACTION] = found.start("line")
            for word in (found["words"] or "").replace(",", " ").split():
                words[word] = found.start("words") + found["words"].index(word)
        return words

    @property
    def _first_start(self) -> int:
        """Where the first statement begins."""
        return self._all_statements[0].start if self._all_statements else len(self.text)

    def problems(self) -> Iterator[FileProblem]:
        """What keeps this script from being run, with the places."""
        for word, offset in self._directives.items():
            if not _is_directive(word):
                yield self._problem_at(
                    offset,
                    f'has an unknown directive "{word}"',
                    f"there are {_NO_TRANSACTION}, lock_timeout=2s, statement_timeout=1min, and"
                    " allow=blocking (or rewrite, drop)",
                )
        for late in _DIRECTIVE.finditer(self.text, self._first_start):
            words = (late["words"] or "").replace(",", " ").split()
            if (
                words
                and all(map(_is_directive, words))
                and is_between_tokens(self.text, late.start("line"))
            ):
                yield self._problem_at(
                    late.start("line"),
                    "has a directive below its first statement, where it says nothing",
                    "move the line to the head of the file",
                )
        for flaw in (flaw for each in self._all_statements for flaw in each.flaws):
            if not flaw.closed:
                yield self._problem_at(flaw.start, _unclosed(flaw), "close it")
            else:
                yield self._problem_at(
                    flaw.start, "has a psql command, which only psql knows", "write it as SQL"
                )
        for statement in self.statements:
            if _controls_transaction(statement):
                yield self._problem_at(
                    statement.start,
                    f"has its own {statement.first_words(1)[0]}",
                    "a migration is one transaction already, with its record; remove it"
                    if self.transactional
                    else "every statement is a transaction of its own here; put what belongs"
                    " together into a DO block, or into a file of its own",
                )
            elif _copies_from_client(statement):
                yield self._problem_at(
                    statement.start,
                    "copies from STDIN, which has no data here",
                    "use INSERT",
                )

    def _problem_at(self, offset: int, problem: str, advice: str) -> FileProblem:
        return FileProblem(self.path, problem, advice, text=self.text, offset=offset)


@dataclass(frozen=True)
class Migration:
    """A numbered pair of scripts; without a down script it cannot be reverted."""

    name: str
    """Its file names without the endings: `0001_create_authors`."""

    version: int
    up: Script
    down: Script | None = field(default=None)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of what the up script means: comments, blanks and line ends do not count."""
        return hashlib.sha256(fingerprint(self.up.text).encode()).hexdigest()


def version_of(name: str) -> int:
    """The number that a migration's name begins with.

    Raises:
        ValueError: It does not begin with one.
    """
    return int(name.partition("_")[0])


def load_migrations(directory: Path) -> list[Migration]:
    """The migrations in a folder, by number. Files that do not end in `.sql` are passed over.

    Raises:
        FilesInvalid: Something is not in order; it lists everything that is not.
    """
    shown = Path(_shown(directory))
    try:
        files = sorted(
            (path for path in directory.iterdir() if path.name.lower().endswith(".sql")),
            key=attrgetter("name"),  # to compare paths takes long
        )
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise FilesInvalid(
            [FileProblem(str(shown), f"cannot be read: {reason}", "name another with --dir")]
        ) from exc
    problems: list[FileProblem] = []
    scripts: dict[tuple[str, str], Script] = {}
    for path in files:
        shown_path = str(shown / path.name)
        if not (named := _FILE_NAME.fullmatch(path.name)):
            problems.append(
                FileProblem(
                    shown_path, "is not named like a migration", "NNNN_words.up.sql or .down.sql"
                )
            )
            continue
        try:
            script = Script(shown_path, _read(path))
        except (OSError, ValueError) as exc:
            reason = _reason(exc)
            problems.append(FileProblem(shown_path, f"cannot be read: {reason}", "mend the file"))
            continue
        # Other tools' histories are full of empty down files for what cannot be taken back.
        if named["direction"] == "up" and script.is_empty:
            problems.append(
                FileProblem(shown_path, "is empty", "write a comment into it if that is meant")
            )
        problems.extend(script.problems())
        scripts[named["name"], named["direction"]] = script
    if not scripts and not problems:
        problems.append(
            FileProblem(str(shown), "holds no migrations", "make one: bin/migrate new NAME")
        )
    migrations, of_pairs = _pair(scripts)
    if problems := problems + of_pairs:
        raise FilesInvalid(problems)
    return migrations


def load_seed(path: Path) -> Script:
    r"""A script of data, written for `psql` or for us: `\set ON_ERROR_STOP` says what we do anyway.

    Raises:
        FilesInvalid: It cannot be read.
    """
    shown = _shown(path)
    try:
        text = _read(path)
    except (OSError, ValueError) as exc:
        reason = _reason(exc)
        problem = FileProblem(shown, f"cannot be read: {reason}", "name another file")
        raise FilesInvalid([problem]) from exc
    return Script(shown, _ON_ERROR_STOP.sub(lambda found: " " * len(found[0]), text))


def _pair(scripts: dict[tuple[str, str], Script]) -> tuple[list[Migration], list[FileProblem]]:
    problems = []
    migrations: dict[int, Migration] = {}
    names = sorted({name for name, _ in scripts}, key=lambda name: (version_of(name), name))
    for name in names:
        up, down = scripts.get((name, "up")), scripts.get((name, "down"))
        version = version_of(name)
        if up is None:
            down_path = scripts[name, "down"].path
            problems.append(
                FileProblem(
                    down_path, "has no up file beside it", f"add {name}.up.sql, or remove it"
                )
            )
        elif version in migrations:
            other = migrations[version].up.path
            problems.append(
                FileProblem(up.path, f"has the number of {other}", "give one of them another")
            )
        else:
            migrations[version] = Migration(name, version, up, down)
    return list(migrations.values()), problems


def _read(path: Path) -> str:
    """The text of a file, with a newline at line ends whatever a checkout made of them.

    Raises:
        ValueError: It is not UTF-8, or holds a NUL byte, which Postgres takes in no text.
    """
    if not path.is_file() and path.exists():
        raise ValueError("it is not a file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ValueError(f"line {line} is not UTF-8") from exc
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"line {line} holds a NUL byte")
    return text.replace("\r\n", "\n")


def _reason(exc: OSError | ValueError) -> str:
    """Why a file cannot be read, in words that go on in a sentence."""
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror[:1].lower() + exc.strerror[1:]
    return str(exc)


def _shown(directory: Path) -> str:
    relative = os.path.relpath(directory)
    return str(directory) if relative.startswith("..") else relative


def _is_directive(word: str) -> bool:
    if found := _TIMEOUT.fullmatch(word):
        number = int(found["value"].rstrip("mshin"))
        return number * _MILLISECONDS[found["unit"] or "ms"] < 2**31
    return word == _NO_TRANSACTION or _ALLOWED.fullmatch(word) is not None


def _controls_transaction(statement: Statement) -> bool:
    first, second = (*statement.first_words(2), "", "")[:2]
    return first in _TRANSACTION_CONTROL or f"{first} {second}" in _TRANSACTION_CONTROL


def _copies_from_client(statement: Statement) -> bool:
    return statement.begins("COPY") and any(
        # Postgres takes either word for either way.
        first in ("FROM", "TO") and second in ("STDIN", "STDOUT")
        for first, second in pairwise(statement.words)
    )


def _unclosed(token: Token) -> str:
    if token.kind == "dollar":
        return f"has a ${token.text.split('$')[1]}$ without an end"
    return f"has a {'comment' if token.kind == 'comment' else 'quote'} without an end"
