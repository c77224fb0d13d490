"""What is set for a script before it runs, and reset after it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from psycopg import sql

from catalog.migrations.watch import FIRST_LOOK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.migrations.ledger import Ledger
    from catalog.migrations.migration import Script

LOCK_TIMEOUT = "2s"  # the longest that readers and writers queue up behind a waiting migration

# What a script set must not reach the record, the next script or, through a pooler, anybody else.
RESETS = ("SET SESSION AUTHORIZATION DEFAULT;\n", "RESET ROLE;\n", "RESET ALL;\n")
RESET = "".join(RESETS)


def reset(ledger: Ledger, run: str) -> list[str]:
    """Statements that undo what a script set, for a run of that name."""
    if not ledger.pooled:
        return [*RESETS]
    # A pooler takes what its server connection falls back to for what we want.
    ours = {"application_name": run, "client_encoding": "UTF8"}
    return [*RESETS, *set_values(ours, local=False)]


def timeouts(script: Script) -> dict[str, str]:
    """The `lock_timeout` of a script, and the `statement_timeout` if it asks for one."""
    return {"lock_timeout": LOCK_TIMEOUT, **script.timeouts}


def first_look(script: Script) -> float:
    """When to look what a script waits for, in seconds: before its lock_timeout can strike."""
    value = script.timeouts.get("lock_timeout", LOCK_TIMEOUT)
    milliseconds = int(value[:-2]) if value.endswith("ms") else 1000
    return min(FIRST_LOOK, milliseconds / 2000) if milliseconds else FIRST_LOOK


def set_values(values: Mapping[str, str], *, local: bool) -> list[str]:
    """Statements that set these, for the transaction or for the session."""
    return [_set_value(name, value, local=local) for name, value in values.items()]


@cache
def _set_value(name: str, value: str, *, local: bool) -> str:
    command = sql.SQL("SET LOCAL {} = {};\n" if local else "SET {} = {};\n")
    return command.format(sql.Identifier(name), sql.Literal(value)).as_string()
