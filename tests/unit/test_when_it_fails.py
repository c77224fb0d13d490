"""`docs/when-it-fails.md` has an entry for every message that there is, and for no other.

A message is what a string of the code says in three words or more, or in any number of them where
an error is made of it; what varies is `…`. An entry is a message, or a good part of one, in bold
code: **`like this`**.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import catalog.errors
from catalog.api import page
from catalog.errors import Advised, CatalogError, MigrationError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/when-it-fails.md").read_text()
ENTRIES = [" ".join(found.split()) for found in re.findall(r"\*\*`([^`]+)`\*\*", DOCUMENT)]

# The place of the words among the arguments of what makes an error, or hands words on to one. What
# follows them is what to do about it, which is on the screen already.
WORDS = {
    **dict.fromkeys(("SettingsError", "EmbeddedServerError", "NewMigrationRefused", "Advised"), 0),
    **dict.fromkeys(("DatabaseUnavailable", "ScratchUnavailable"), 0),
    **dict.fromkeys(("ArgumentTypeError", "Refused", "StreamBroken", "ValueError"), 0),
    **dict.fromkeys(("_unavailable", "_try_again", "_say", "_refuse"), 0),
    **dict.fromkeys(("FileProblem", "_problem_at", "PostgresReport"), 1),
    **dict.fromkeys(("LedgerUnusable", "_unclear"), 2),
}
# Of these only the words of errors count. The others are those of `--help`; of what `plan` says,
# for which there is a document of its own; of schemas; and those by which lines are recognized.
ERRORS_ONLY = re.compile(
    r"migrations/(arguments|new|screen)\.py|api/queries\.py"
    r"|migrations/foresight/(advice|facts|fingerprint.*|hazards|locking|sizes|trace)\.py"
)
SQL = re.compile(r"\s*(?:-- |[A-Z]{2,}\b.*(?:[;(]|\b(?:FROM|DATABASE|ROLE|TABLE|INDEX|TO|SET)\b))")

# What is said when all is well, and what nobody reads.
NO_MESSAGES = {
    "Hello World! This is a book catalog.",
    "… long lists are being read, and no more are at once",  # the answer has its own words
    "try again when one has ended",
    "try again when it has answered them",
    "run bin/setup embedded",  # as it is said in a clone, and in the next line elsewhere
    "install the extra [embedded]",
    page._HEADERS["Content-Security-Policy"],
    "GET, HEAD, OPTIONS",
    "applied_at timestamp with time zone",
    "the embedded Postgres (data in …)",
    "a scratch database in …",
    "the embedded server",
    "(the user's own)",
    "in the environment",
    "Serving on … (Ctrl-C stops)",
    "Postgres … runs: …",
    "Reading from …",
    "Working on …",
    "Recorded the text that … has now.",
    "Nothing is pending on ….",
    "ok: the schema is that of …",
    "no migration at all",
    "…: … recorded as applied.",
    "… pending: bin/migrate up",
    "nothing is pending",
    "Would be …:",
    "Nothing would be ….",
    "… had nothing to add.",
    "… ran: … changed.",
    "all tables of the schema …",
    "the database is at …",
    "the database has no migrations applied",
    "… sound with rows, too",
    "applies; it has no down file, and is irreversible",
    "runs without a transaction",
    "Nothing to check.",
    "… checked, and all sound.",
    "reads every row of",
    "changes rows of",
    "meant by its author: allow=…",
    "set by statement …",
    "catalog migrations: runner",
    "catalog migrations: work",
    "….down.sql (kept in the ledger)",
    "….{}.sql (kept in the ledger)",
    "%(asctime)s %(name)s: %(message)s",
}


class Said:
    """The strings of one module."""

    def __init__(self, path: Path) -> None:
        self.name = str(path.relative_to(ROOT / "catalog"))
        self.errors_only = ERRORS_ONLY.fullmatch(self.name) is not None
        self.messages: dict[str, int] = {}
        """Those that need an entry, and their lines."""
        self.all: list[str] = []
        self._read(ast.parse(path.read_bytes()))

    def _read(self, node: ast.AST) -> None:
        for child in self._children(node):
            text = rendered(child)
            if text is None:
                self._read(child)
                continue
            assert isinstance(child, ast.expr)
            if not SQL.match(text):
                self.all.append(text)
                if not self.errors_only and len(words(text)) >= 3:
                    self.messages[text] = child.lineno
            for part in ast.walk(child):
                if isinstance(part, ast.FormattedValue):
                    self._read(part)

    def _children(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what may hold messages. Those of errors are noted on the way."""
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.startswith("re."):
                return
            place = WORDS.get(called.rpartition(".")[2], len(node.args))
            for argument in node.args[place : place + 1]:
                self.messages |= {text: line for text, line in outermost(argument) if words(text)}
            for argument in node.args[place + 1 :]:
                self.all += [text for text, _ in outermost(argument)]
            yield from node.args[: place + 1]
            yield from (
                keyword.value
                for keyword in node.keywords
                if keyword.arg not in ("help", "description", "epilog")
            )
            yield node.func
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_ADVICE":
            return
        else:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            yield from () if docstring else ast.iter_child_nodes(node)


def outermost(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the strings that an expression may become, and their lines."""
    if (text := rendered(node)) is not None:
        yield text, node.lineno  # type: ignore[attr-defined]
    elif isinstance(node, ast.IfExp | ast.BoolOp | ast.BinOp):
        for child in ast.iter_child_nodes(node):
            yield from outermost(child)


def rendered(node: ast.AST) -> str | None:
    """A string as it would stand in an entry."""
    if isinstance(node, ast.JoinedStr):
        parts = [each.value if isinstance(each, ast.Constant) else "…" for each in node.values]
        return " ".join("".join(map(str, parts)).split())
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.fullmatch(r"\w+\[.*\]", node.value):
            return None  # a type
        return " ".join(re.sub(r"%[sdg]|\{\}", "…", node.value).split())
    return None


def words(text: str) -> list[str]:
    return [word for word in text.split() if re.search(r"[A-Za-z]{2}", word)]


def covers(entry: str, message: str) -> bool:
    """Whether an entry is that message, or as much of it as nobody takes for another one."""
    return entry in message and (len(words(entry)) >= 4 or 2 * len(entry) >= len(message))


MODULES = [Said(path) for path in sorted((ROOT / "catalog").rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_message_has_an_entry(module: Said) -> None:
    missing = [
        f"catalog/{module.name}:{line}: **`{message}`**"
        for message, line in module.messages.items()
        if message not in NO_MESSAGES and not any(covers(entry, message) for entry in ENTRIES)
    ]

    assert not missing, "docs/when-it-fails.md has no entry for:\n" + "\n".join(missing)


def test_every_entry_is_a_message() -> None:
    said = [text for module in MODULES for text in module.all]

    assert not [entry for entry in ENTRIES if not any(entry in text for text in said)]


def test_what_is_no_message_is_said() -> None:
    said = {text for module in MODULES for text in module.all}

    assert said >= NO_MESSAGES


def test_every_kind_of_error_is_named() -> None:
    kinds = [
        kind.__name__
        for kind in vars(catalog.errors).values()
        if isinstance(kind, type)
        and issubclass(kind, CatalogError)
        and kind not in (CatalogError, Advised, MigrationError)
    ]

    assert kinds
    assert not [kind for kind in kinds if f"`{kind}`" not in DOCUMENT]


def test_what_makes_an_error_of_words_is_known() -> None:
    """… so that no message is passed over because it is short."""
    told = {
        kind.__name__
        for kind in vars(catalog.errors).values()
        if isinstance(kind, type) and issubclass(kind, Advised)
    }

    assert told - {"TooManyStreams"} <= WORDS.keys()


def test_its_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", DOCUMENT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
