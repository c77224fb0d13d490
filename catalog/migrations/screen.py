"""Text laid out for a terminal: folded between words, and coloured by what a line says.

Whoever words something does it without either. So it is in pipes, logs and documents, and here
alone it is known what a line of it looks like.
"""

from __future__ import annotations

import re

_GOOD, _ATTENTION, _BAD = "32", "33", "31"  # green, yellow, red

# What is coloured is the group. The first one that is found in a line decides.
_RESULTS = tuple(
    (re.compile(pattern), colour)
    for pattern, colour in (
        (r"^(\d+_\S+: .*  <- fails the plan)$", _BAD),
        (r"^\d+_\S+: (safe while the application runs)$", _GOOD),
        (r"^\d+_\S+: (.+)$", _ATTENTION),
        (r"^ {6,}(blocks .+)$", _ATTENTION),
        (r"^  (applied) ", _GOOD),
        (r"^  (reverted) ", _ATTENTION),
        (r"^  \S+ +(sound.*|applies; .*)$", _GOOD),
        (r"^  \S+ +(not sound)$", _BAD),
        (r"^    (its .*:)$", _BAD),
        (r"^\S* +(pending.*)$", _ATTENTION),
        (r"^\S* .*  (changed since|no file|broke off after .*)$", _ATTENTION),
        (r"^ *((?:waiting for|warning:|note:|drops|empties) .*)$", _ATTENTION),
        (r"(rolled back, trying again)$", _ATTENTION),
        (r"^ *(.*is in the migrations and not in the database)", _BAD),
        (r"^ *(.*is in the database and in no migration)", _BAD),
        (r"^ *(\S+ .* differs(?: \(.*\))?)$", _BAD),
        (r"^ *(.* is (?:gone|left behind|not what it was)(?: \(.*\))?)$", _BAD),
        (r"^ *(- (?:files|before|first) .*)$", _BAD),
        (r"^ *(\+ (?:database|after|second) .*)$", _GOOD),
        (r"((?:\(\d+ changed since\).*)|\d+ pending: bin/migrate up)$", _ATTENTION),
        (r"(nothing is pending|all sound\.)$", _GOOD),
        (r"^(\d+ of \d+ migrations? not sound.*)$", _BAD),
        (r"^(ok):", _GOOD),
        (r"^\s+(\^)$", _BAD),
    )
)
_FAILURES = tuple(
    (re.compile(pattern), colour)
    for pattern, colour in (
        (r"^(\S+\.sql(?::\d+:\d+)?: .*)$", _BAD),
        (r"^\s+(\^)$", _BAD),
        (r"^    (-.*)$", _BAD),
        (r"^    (\+.*)$", _GOOD),
    )
)

# A word, or a command or code that is to be copied, with the blanks before it.
_PIECE = re.compile(r" *(?:bin/(?:migrate|psql|serve|setup)\b[^;,(]*|`[^`]+`\S*|[^ ]+)")
_LABEL = re.compile(r"[a-z]+ {2,}|(?:detail|hint|context|note): ")
_CODE = re.compile(r"\x1b\[\d*m")


def result(text: str, width: int, *, coloured: bool) -> str:
    """What a command found or did."""
    lines = text.split("\n")
    if coloured:
        lines = [_painted(line, _RESULTS) for line in lines]
    return "\n".join(_folded(line, width) for line in lines)


def failure(text: str, width: int, *, coloured: bool) -> str:
    """What went wrong. What is indented (SQL, diffs, commands to copy) is not folded."""
    lines = text.split("\n")
    if coloured:
        lines = [_painted(line, _FAILURES) for line in lines]
        if lines[0] == text.partition("\n")[0] and not lines[0].startswith("Nothing was done."):
            lines[0] = f"\x1b[{_BAD}m{lines[0]}\x1b[m"
    return "\n".join(
        line if line.startswith(" ") else _folded(line, width, hanging=0) for line in lines
    )


def _painted(line: str, patterns: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, colour in patterns:
        if found := pattern.search(line):
            start, end = found.span(1)
            return f"{line[:start]}\x1b[{colour}m{line[start:end]}\x1b[m{line[end:]}"
    return line


def _folded(line: str, width: int, *, hanging: int = 4) -> str:
    if _length(line) <= width:
        return line
    label = _LABEL.match(line)
    indent = len(label[0]) if label else len(line) - len(line.lstrip(" ")) + hanging
    lines = [""]
    for piece in _PIECE.findall(line):
        if _length(lines[-1] + piece) > width and lines[-1].strip():
            lines.append(" " * indent + piece.lstrip(" "))
        else:
            lines[-1] += piece
    return "\n".join(lines)


def _length(line: str) -> int:
    return len(_CODE.sub("", line))
