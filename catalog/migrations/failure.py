"""What Postgres says of a script that failed, and the place in the script that it means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.errors import PostgresReport, ScriptPlace
from catalog.migrations.indexes import STATEMENT

if TYPE_CHECKING:
    import psycopg

    from catalog.migrations.migration import Script
    from catalog.migrations.scanner import Statement


def offset_of(script: Script, number: int, error: psycopg.Error) -> int | None:
    """The offset of a script's statement, counted from 0, or of the line in its `DO` block."""
    checked = str(error.diag.constraint_name).removeprefix(STATEMENT)
    if checked.isdigit() and number >= len(script.statements):
        number = int(checked)
    if not 0 <= number < len(script.statements):
        return None
    statement = script.statements[number]
    if (inside := _offset_in_body(statement, error)) is not None:
        return inside
    lines = re.findall(r"inline_code_block line (\d+)", error.diag.context or "")
    body = next((token for token in statement.tokens if token.kind == "dollar"), None)
    if not lines or body is None or not statement.begins("DO"):
        return statement.start
    # The outermost block comes last; its lines are counted from the opening quote.
    offset = body.start
    for _ in range(int(lines[-1]) - 1):
        offset = script.text.find("\n", offset) + 1
    return offset + len(script.text[offset:]) - len(script.text[offset:].lstrip(" \t"))


def _offset_in_body(statement: Statement, error: psycopg.Error) -> int | None:
    """The offset of an error that Postgres places in a function's body.

    It would say where in the message that is, but for the copy of the script in the ledger's row,
    which makes the body stand there twice.
    """
    position, body = error.diag.internal_position, error.diag.internal_query
    for token in statement.tokens if position and body else ():
        tag = token.text[: token.text.find("$", 1) + 1] if token.kind == "dollar" else "'"
        if token.kind in ("dollar", "string") and token.text == f"{tag}{body}{tag}":
            return token.start + len(tag) + int(position or 1) - 1
    return None


def place_of(script: Script) -> ScriptPlace:
    """What messages need to know of a script."""
    return ScriptPlace(script.path, script.text, script.transactional)


def report_of(error: psycopg.Error) -> PostgresReport:
    """What Postgres said, in its own words."""
    diag = error.diag
    ours = str(diag.constraint_name).startswith(STATEMENT)
    return PostgresReport(
        sqlstate=error.sqlstate,
        message=diag.message_primary or str(error).strip(),
        detail=diag.message_detail,
        hint=diag.message_hint,
        context=None if ours else diag.context,
    )
