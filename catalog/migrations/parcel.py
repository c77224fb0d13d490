"""A script between statements of ours, as one transaction: what is sent, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.errors import PostgresReport, ScriptFailed
from catalog.migrations.failure import offset_of, place_of, report_of
from catalog.migrations.lock import DIVISION_BY_ZERO, WorkUnderWay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.database import Reply
    from catalog.errors import Blocked
    from catalog.migrations.migration import Script


@dataclass(frozen=True)
class Parcel:
    """A script's transaction. Every string of `head` and `tail` is one statement."""

    script: Script
    head: Sequence[str]
    tail: Sequence[str]

    @property
    def text(self) -> str:
        """The statements to send."""
        return f"{''.join(self.head)}{self.script.body}\n;\n{''.join(self.tail)}"

    @property
    def statements(self) -> int:
        """How many there are."""
        return len(self.head) + len(self.script.statements) + len(self.tail)

    def failure(
        self,
        reply: Reply,
        *,
        at_commit: bool,
        blocked: Blocked | None,
        statements_before: int = 0,
        text_before: int = 0,
    ) -> ScriptFailed | WorkUnderWay:
        """Why it was not carried out, as the reply to the message that it was part of says.

        `at_commit` tells whether that was its commit; the last two, how many statements and
        characters stood before it in the message.
        """
        error = reply.error
        assert error is not None  # noqa: S101
        failed = len(reply.tags) - statements_before - len(self.head)
        if error.sqlstate == DIVISION_BY_ZERO and failed < 0:
            return WorkUnderWay()
        place = place_of(self.script)
        if (
            error.sqlstate == DIVISION_BY_ZERO
            and failed >= len(self.script.statements)
            and not at_commit
        ):
            report = PostgresReport(None, "it takes its own row out of the ledger")
            return ScriptFailed(place, report)
        position = error.diag.statement_position
        offset = offset_of(self.script, failed, error)
        script_begins = text_before + len("".join(self.head))
        if position and (inside := int(position) - 1 - script_begins) >= 0:
            # At the end of the file Postgres points at the semicolon that we put there.
            offset = min(inside, len(self.script.text.rstrip()))
        return ScriptFailed(
            place, report_of(error), offset=offset, blocked=blocked, lost=reply.lost
        )
