"""The documents in `docs/`, tried: each command is run, and what it prints is held to the text.

- A block ```console holds commands after `$ ` (and lines that go on after `> `), each with what it
  prints below it. In a line `…` stands for anything, as a line of its own for any lines. How long
  something took, when it was, process numbers and Postgres' minor version are free. A command may
  fail where the document shows what it says.
- Any other block below a paragraph that ends in a path, such as `tests/conftest.py`:, is that file.
- What is left is only read, and the test has to count it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FENCE = re.compile(r"^(?P<mark>`{3,})(?P<language>\w*)$")
_FILE_BELOW = re.compile(r"(?:^|\s)`(?P<path>[^`\s]+)`:$")
_FREE = (
    (r" *\d+(?:\.\d)? (?:ms|s)\b|\d+ min \d+ s", r" *(?:\d+ min )?\d+(?:\.\d)? m?s"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    (r"process \d+", r"process \d+"),
    (r"Postgres 18\.\d+", r"Postgres 18\.\d+"),
)
_FREE_OR_ANY = re.compile("|".join(["(…)", *(f"({seen})" for seen, _ in _FREE)]))


@dataclass(frozen=True)
class Command:
    """Something to type, and what it prints."""

    line: int
    section: int
    text: str
    prints: tuple[str, ...]
    begin: int
    """The index of the line where what it prints begins."""

    def agrees(self, printed: Sequence[str]) -> bool:
        """Whether it prints what it is said to."""
        pattern = "".join(
            r"(?:.*\n)*?" if line == "…" else _pattern(line) + r"\n" for line in self.prints
        )
        return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


@dataclass(frozen=True)
class File:
    """A file to write."""

    line: int
    section: int
    path: str
    text: str


@dataclass(frozen=True)
class Document:
    """A document taken apart: what to do, in order, and what is only read."""

    steps: tuple[Command | File, ...]
    headings: tuple[str, ...]
    """Of its sections; the first one has none."""
    read_only: dict[str, int]
    """How many blocks of each language are neither run nor written."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the text of a document apart."""
        lines = text.splitlines()
        steps: list[Command | File] = []
        headings, others, above = [""], Counter[str](), ""
        index = 0
        while index < len(lines):
            if not (fence := _FENCE.match(lines[index])):
                headings += [lines[index][3:]] * lines[index].startswith("## ")
                above = lines[index].strip() or above
                index += 1
                continue
            end = lines.index(fence["mark"], index + 1)
            block, section = lines[index + 1 : end], len(headings) - 1
            if fence["language"] == "console":
                steps += _commands(block, index + 1, section)
            elif named := _FILE_BELOW.search(above):
                content = "".join(f"{line}\n" for line in block)
                steps.append(File(index + 1, section, named["path"], content))
            else:
                others[fence["language"]] += 1
            index, above = end + 1, ""
        return cls(tuple(steps), tuple(headings), dict(others))

    def sections(self) -> list[int]:
        """Those in which there is something to do."""
        return sorted({step.section for step in self.steps})


def _commands(block: Sequence[str], first: int, section: int) -> Iterator[Command]:
    starts = [index for index, line in enumerate(block) if line.startswith("$ ")]
    assert starts[:1] == [0], f"line {first}: a console begins with a command"
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        begin = start + 1
        while begin < end and block[begin].startswith("> "):
            begin += 1
        text = "\n".join(line[2:] for line in block[start:begin])
        prints = list(block[begin:end])
        while prints and not prints[-1]:
            prints.pop()
        yield Command(first + start + 1, section, text, tuple(prints), first + begin)


def _pattern(line: str) -> str:
    parts, end = [], 0
    for found in _FREE_OR_ANY.finditer(line):
        free = ["(?:.*)", *(pattern for _, pattern in _FREE)]
        parts += [re.escape(line[end : found.start()]), free[(found.lastindex or 1) - 1]]
        end = found.end()
    return "".join(parts) + re.escape(line[end:])


@dataclass(frozen=True)
class Tried:
    """What came of a command."""

    command: Command
    printed: list[str]
    code: int

    @property
    def agrees(self) -> bool:
        """Whether it did what the document says; failures are said, or are none."""
        silent_failure = self.code != 0 and not self.command.prints
        return not silent_failure and self.command.agrees(self.printed)

    @property
    def says(self) -> str:
        """What it did, for somebody who reads why a test failed."""
        return "\n".join(
            [
                f"line {self.command.line}: $ {self.command.text}",
                f"exited {self.code} and printed:",
                *self.printed,
                "and not:",
                *self.command.prints,
            ]
        )


def rewritten(text: str, found: Sequence[Tried]) -> str:
    """The text of a document with what its commands really printed.

    Where a line `…` comes first, the head stays left out, through its empty line.
    """
    lines = text.splitlines()
    for each in reversed([each for each in found if not each.agrees]):
        printed, begin = each.printed, each.command.begin
        if each.command.prints[:1] == ("…",) and "" in printed:
            printed = ["…", *printed[printed.index("") + 1 :]]
        lines[begin : begin + len(each.command.prints)] = printed
    return "".join(f"{line}\n" for line in lines)
