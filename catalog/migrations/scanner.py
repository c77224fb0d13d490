"""SQL text split into statements, as `psql` splits it.

It knows where comments, quotes, dollar quotes, parentheses and SQL-standard function bodies
(`BEGIN ATOMIC`) begin and end, and nothing else of the grammar. The rules are those of Postgres'
lexer, with `standard_conforming_strings` on (section 4.1 of its manual).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Classes are written as what they leave out: Python takes long to compile a range up to U+10FFFF.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
_LETTERS = r"[^\x00-\#%-/:-@\[-^`{-\x7f]"  # with digits and $
_LETTERS_OR_QUOTE = r"[^\x00-\#%(-/:-@\[-^`{-\x7f]"  # and ' and &, as in E'…' and U&"…"

# Blanks and comments, then a token: of two alternatives one always matches (the end, or any sign),
# so that nothing is tried twice. Words that begin no string come first, since most tokens are.
_TOKEN = re.compile(
    rf"""
    [ \t\n\r\f\v]* (?: --[^\n\r]* [ \t\n\r\f\v]* )*
    (?:
        (?P<word>       {_LETTER}{_LETTERS}* (?!{_LETTERS_OR_QUOTE}) )
      | (?P<end>        \Z )
      | (?P<comment>    /\* )
      | (?P<escape>     [eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?!') )
      | (?P<string>     (?:[bBxXnN]|[uU]&)?'[^']*(?:''[^']*)*'(?!')
                      | (?:[uU]&)?"[^"]*(?:""[^"]*)*"(?!") )
      | (?P<open>       [eE]?'.* | ".* )
      | (?P<dollar>     \$ (?: {_LETTER} [^\x00-/:-@\[-^`{{-\x7f]* )? \$ )
      | (?P<name>       {_LETTER}{_LETTERS}* )
      | (?P<number>     [0-9][0-9A-Za-z_]* | \$[0-9]+ )
      | (?P<operator>   (?: (?!--|/\*) [~!@\#^&|`?+\-*/%<>=] )+ )
      | (?P<other>      . )
    )
    """,
    re.VERBOSE | re.DOTALL,
)
# A string goes on after a line end, and keeps its kind.
_CONTINUED = re.compile(
    r"""[ \t\f\v]*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?!')""",
    re.DOTALL,
)
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
    start: int
    """The offset of its first token, in characters."""
    flaws: tuple[Token, ...] = ()
    """Quotes and comments without an end, and backslashes, which only psql knows."""

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """All its tokens. A statement of data can have millions: ask only where they are needed."""
        return tuple(tokens(self.text, self.start))

    @property
    def words(self) -> tuple[str, ...]:
        """All its tokens as words: empty where a token is something else."""
        return tuple(token.word for token in self.tokens)

    def first_words(self, count: int) -> tuple[str, ...]:
        """So many of them, or fewer."""
        return tuple(token.word for token in islice(tokens(self.text), count))

    def begins(self, *words: str) -> bool:
        """Whether these are its first words."""
        # Its text begins with the first one; mostly that is another.
        starts = self.text[: len(words[0])].upper() == words[0]
        return starts and self.first_words(len(words)) == words


def tokens(text: str, offset: int = 0) -> Iterator[Token]:
    """The tokens of a text, in order. An open comment at its end counts as a token.

    `offset` is that of the text in the one that the places are to be counted in.
    """
    for kind, start, end, closed in _pieces(text):
        piece = text[start:end]
        word = piece.upper() if kind == "word" else ""
        yield Token(kind, piece, offset + start, word, closed)


def split(text: str) -> list[Statement]:
    """The statements of a text. What holds only blanks and comments is no statement."""
    statements: list[Statement] = []
    begin = last = -1
    parentheses = blocks = 0
    flaws: list[Token] = []
    creates = False
    before = ""  # after a dot or AS, a keyword is a name
    for kind, start, end, closed in _pieces(text):
        sign = text[start] if kind == "other" else ""
        if sign == ";" and parentheses == 0 and blocks == 0:
            if begin >= 0:
                statements.append(Statement(text[begin:last], begin, tuple(flaws)))
            begin, flaws = -1, []
            continue
        if begin < 0:
            begin = start
            creates = text[start:end].upper() == "CREATE"
        last = end
        if not closed or sign == "\\":
            flaws.append(Token(kind, text[start:end], start, closed=closed))
        elif sign == "(":
            parentheses += 1
        elif sign == ")":
            parentheses = max(0, parentheses - 1)
        elif creates and kind == "word" and parentheses == 0 and before not in (".", "AS"):
            word = text[start:end].upper()
            if (before, word) != ("BEGIN", "ATOMIC") or _creates_routine(text[begin:start]):
                blocks = _blocks_after(blocks, before, word)
        if creates:
            before = text[start:end].upper()
    if begin >= 0:
        statements.append(Statement(text[begin:last], begin, tuple(flaws)))
    return statements


def is_between_tokens(text: str, offset: int) -> bool:
    """Whether no quote and no block comment is open there."""
    return all(closed for *_, closed in _pieces(text[:offset]))


def qualified_name(parts: Sequence[Token]) -> str:
    """The name, with its schema, that begins with the first of these tokens, as it is written."""
    name = parts[0].text if parts else ""
    for dot, part in zip(parts[1::2], parts[2::2], strict=False):
        if dot.text != ".":
            break
        name += f".{part.text}"
    return name


def fingerprint(text: str) -> str:
    """What the text means to Postgres: its tokens, without comments and blanks."""
    return "\n".join(text[start:end] for _, start, end, _ in _pieces(text))


def _pieces(text: str) -> Iterator[tuple[str, int, int, bool]]:
    """The kind of every token, where it begins and ends, and whether a quote has its end."""
    match = _TOKEN.match
    at = 0
    while found := match(text, at):
        kind = found.lastgroup or "end"
        start, at = found.span(kind)
        if kind == "end":
            return
        closed = True
        if kind == "name":
            kind = "word"
        elif kind == "escape":
            while more := _CONTINUED.match(text, at):
                at = more.end()
            kind = "string"
        elif kind == "open":
            closed = False
        elif kind == "dollar":
            opening = text[start:at]
            closing = text.find(opening, at)
            closed = closing >= 0
            at = closing + len(opening) if closed else len(text)
        elif kind == "comment":
            at, closed = _end_of_comment(text, start)
            if closed:
                continue
        yield kind, start, at, closed


def _blocks_after(blocks: int, before: str, word: str) -> int:
    """How deep in `BEGIN ATOMIC … END` a routine is after two words."""
    if (before, word) == ("BEGIN", "ATOMIC") or (blocks and word == "CASE"):
        return blocks + 1  # CASE ends with END, too
    return blocks - 1 if blocks and word == "END" else blocks


def _creates_routine(statement: str) -> bool:
    """Whether it makes what alone may have statements with semicolons for its body."""
    words = [token.word for token in islice(tokens(statement), 4)]
    if words[1:3] == ["OR", "REPLACE"]:
        del words[1:3]
    return words[1:2] in (["FUNCTION"], ["PROCEDURE"])


def _end_of_comment(text: str, start: int) -> tuple[int, bool]:
    """The end of a block comment, which may hold others, and whether it has one."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end(), True
    return len(text), False
