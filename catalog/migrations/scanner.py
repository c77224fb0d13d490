"""SQL text split into statements, as `psql` splits it.

It knows where comments, quotes, dollar quotes, parentheses and SQL-standard function bodies
(`BEGIN ATOMIC`) begin and end, and nothing else of the grammar. The rules are those of Postgres'
lexer, with `standard_conforming_strings` on (section 4.1 of its manual).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
      (?P<space>        [ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<comment>      /\* )
    | (?P<escape>       [eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?!') )
    | (?P<string>       (?:[bBxXnN]|[uU]&)?'[^']*(?:''[^']*)*'(?!')
                      | (?:[uU]&)?"[^"]*(?:""[^"]*)*"(?!") )
    | (?P<open>         [eE]?'.* | ".* )
    | (?P<dollar>       \$ (?: [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]* )? \$ )
    | (?P<word>         [A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]* )
    | (?P<number>       [0-9][0-9A-Za-z_]* | \$[0-9]+ )
    | (?P<operator>     (?: (?!--|/\*) [~!@\#^&|`?+\-*/%<>=] )+ )
    | (?P<other>        . )
    """,
    re.VERBOSE | re.DOTALL,
)
# A string goes on after a line end, and keeps its kind.
_CONTINUED = re.compile(
    r"""[ \t\f\v]*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?!')""",
    re.DOTALL,
)
_BLOCK_WORDS = ("ATOMIC", "CASE", "END")
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """A piece of SQL text that is neither blank nor a comment."""

    kind: str
    text: str
    start: int
    word: str = ""
    """A keyword or unquoted name in capitals; empty for anything else."""
    closed: bool = True
    """Whether a quote has its end; one without runs to the end of the text."""


@dataclass(frozen=True)
class Statement:
    """A statement without the semicolon that ends it."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        """The offset of its first token, in characters."""
        return self.tokens[0].start

    @property
    def words(self) -> tuple[str, ...]:
        """All its tokens as words: empty where a token is something else."""
        return tuple(token.word for token in self.tokens)

    def begins(self, *words: str) -> bool:
        """Whether these are its first words."""
        return all(token.word == word for token, word in zip(self.tokens, words, strict=False))


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, in order. An open comment at its end counts as a token."""
    at = 0
    while found := _TOKEN.match(text, at):
        kind, end, start = found.lastgroup, found.end(), at
        at = end
        if kind == "space":
            continue
        if kind == "word":
            yield Token(kind, found[0], start, found[0].upper())
        elif kind == "escape":
            while more := _CONTINUED.match(text, at):
                at = more.end()
            yield Token("string", text[start:at], start)
        elif kind == "comment":
            at, closed = _end_of_comment(text, start)
            if not closed:
                yield Token(kind, text[start:], start, closed=False)
        elif kind == "dollar":
            closing = text.find(found[0], end)
            at = closing + len(found[0]) if closing >= 0 else len(text)
            yield Token(kind, text[start:at], start, closed=closing >= 0)
        else:
            yield Token(str(kind), found[0], start, closed=kind != "open")


def split(text: str) -> list[Statement]:
    """The statements of a text. What holds only blanks and comments is no statement."""
    statements: list[Statement] = []
    current: list[Token] = []
    parentheses = blocks = 0
    for token in tokens(text):
        sign = token.text
        if sign == ";" and parentheses == 0 and blocks == 0:
            if current:
                statements.append(_statement(text, current))
            current = []
            continue
        current.append(token)
        if sign == "(":
            parentheses += 1
        elif sign == ")":
            parentheses = max(0, parentheses - 1)
        elif token.word in _BLOCK_WORDS and parentheses == 0:
            blocks = _blocks_after(blocks, current)
    if current:
        statements.append(_statement(text, current))
    return statements


def fingerprint(text: str) -> str:
    """What the text means to Postgres: its tokens, without comments and blanks."""
    return "\n".join(token.text for token in tokens(text))


def _statement(text: str, parts: list[Token]) -> Statement:
    return Statement(text[parts[0].start : parts[-1].start + len(parts[-1].text)], tuple(parts))


def _blocks_after(blocks: int, current: list[Token]) -> int:
    """How deep in `BEGIN ATOMIC … END` the text is after its latest token."""
    word = current[-1].word
    if word == "ATOMIC" and len(current) > 1 and current[-2].word == "BEGIN":
        return blocks + 1 if _creates_routine(current) else blocks
    if blocks and word == "CASE":  # it ends with END, too
        return blocks + 1
    if blocks and word == "END":
        return blocks - 1
    return blocks


def _creates_routine(current: list[Token]) -> bool:
    words = [token.word for token in current[:4]]
    if words[:3] == ["CREATE", "OR", "REPLACE"]:
        words[:3] = ["CREATE"]
    return words[0] == "CREATE" and words[1] in ("FUNCTION", "PROCEDURE")


def _end_of_comment(text: str, start: int) -> tuple[int, bool]:
    """The end of a block comment, which may hold others, and whether it has one."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end(), True
    return len(text), False
