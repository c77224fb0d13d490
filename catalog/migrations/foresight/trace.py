"""A migration's script run on a scratch database, to measure what each of its statements does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.pq import TransactionStatus

from catalog.database import send
from catalog.errors import ScriptFailed
from catalog.migrations.failure import offset_of, place_of, report_of
from catalog.migrations.foresight.compare import Comparison, Surroundings
from catalog.migrations.foresight.intercept import intercept
from catalog.migrations.foresight.locking import EXCLUSIVE
from catalog.migrations.foresight.look import LOOK, Lock, Look
from catalog.migrations.preamble import RESET
from catalog.migrations.untransacted import NEEDS_NO_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from catalog.database import Reply
    from catalog.migrations.foresight.facts import StatementFacts
    from catalog.migrations.migration import Script

# A statement that is kept waiting on purpose is not to give up.
_PATIENCE = "SET lock_timeout = 0; SET statement_timeout = 0;"


class Tracer:
    """What a running application may use, and scripts that are run one after the other.

    What one of them makes is nobody's yet for those after it.
    """

    def __init__(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection]
    ) -> None:
        """Take note of everything that is in the database now.

        `connect` opens more connections to it, in autocommit as `connection` is.
        """
        self._connection = connection
        self._connect = connect
        self._existing = frozenset(self._look().things)

    def trace(self, script: Script) -> list[StatementFacts]:
        """Run a script as `up` would, and commit it; the facts about its statements, in order.

        Raises:
            ScriptFailed: Postgres refused it.
        """
        try:
            if not script.transactional:
                return self._one_by_one(script)
            try:
                return self._in_transaction(script)
            except ScriptFailed as exc:
                if not script.may_run_alone or exc.report.sqlstate not in NEEDS_NO_TRANSACTION:
                    raise
            self._roll_back()
            return self._one_by_one(script)
        finally:
            self._roll_back()
            send(self._connection, RESET)

    def _in_transaction(self, script: Script) -> list[StatementFacts]:
        around = self._begin()
        found = []
        for number in range(1, len(script.statements) + 1):
            facts, around = self._step(script, number, around)
            found.append(facts)
        self._commit(script, around)
        return found

    def _one_by_one(self, script: Script) -> list[StatementFacts]:
        found = []
        for number in range(1, len(script.statements) + 1):
            try:
                facts, around = self._step(script, number, self._begin())
                self._commit(script, around, done=number - 1)
            except ScriptFailed as exc:
                if exc.report.sqlstate not in NEEDS_NO_TRANSACTION:
                    raise
                self._roll_back()
                facts = self._alone(script, number)
            found.append(facts)
        return found

    def _step(
        self, script: Script, number: int, around: Surroundings
    ) -> tuple[StatementFacts, Surroundings]:
        """Run a statement in the transaction that is open; the facts, and what is so after it."""
        statement = script.statements[number - 1]
        reply = send(self._connection, f"{statement.text}\n;\n{LOOK}")
        self._check(reply, script, number)
        after = Look.of(reply.rowsets)
        compared = Comparison(statement, number, reply.tags[0], around, after, after.locks)
        return compared.facts(), around.go_on(after, number)

    def _alone(self, script: Script, number: int) -> StatementFacts:
        """Run a statement that Postgres takes in no transaction but its own."""
        statement = script.statements[number - 1]
        before = self._look()
        around = Surroundings(self._existing, start=before, before=before, taken={})
        tables = self._tables(before)
        send(self._connection, _PATIENCE)
        reply, locks = intercept(self._connect, self._connection, statement.text, tables)
        self._check(reply, script, number)
        after = self._look()
        # Nothing gets another file without this, and only the first lock can be seen for certain.
        locks |= {
            Lock(address.object, EXCLUSIVE)
            for address, thing in after.things.items()
            if address in before.things and before.things[address].file != thing.file
        }
        self._existing = around.go_on(after, number).existing
        compared = Comparison(statement, number, reply.tags[0], around, after, locks)
        return replace(compared.facts(), alone=True)

    def _begin(self) -> Surroundings:
        start = self._look("BEGIN;")
        return Surroundings(self._existing, start=start, before=start, taken={})

    def _commit(self, script: Script, around: Surroundings, *, done: int = 0) -> None:
        """End the transaction, which may yet fail in what was deferred."""
        reply = send(self._connection, "COMMIT")
        if reply.error:
            raise _failed(script, reply.error, offset=None, done=done) from reply.error
        self._existing = around.existing

    def _check(self, reply: Reply, script: Script, number: int) -> None:
        if reply.error is None:
            return
        offset = offset_of(script, number - 1, reply.error)
        position = reply.error.diag.statement_position
        if position and not reply.tags:
            offset = script.statements[number - 1].start + int(position) - 1
        done = 0 if script.transactional else number - 1
        raise _failed(script, reply.error, offset=offset, done=done) from reply.error

    def _roll_back(self) -> None:
        if self._connection.pgconn.transaction_status != TransactionStatus.IDLE:
            send(self._connection, "ROLLBACK")

    def _look(self, head: str = "") -> Look:
        reply = send(self._connection, head + LOOK)
        if reply.error:
            raise reply.error
        return Look.of(reply.rowsets)

    def _tables(self, look: Look) -> dict[int, sql.Identifier]:
        """Those that may be in use, by oid."""
        schemas = {
            address.object: thing.label
            for address, thing in look.things.items()
            if thing.kind == "schema"
        }
        return {
            address.object: sql.Identifier(schemas[thing.schema], thing.label)
            for address, thing in look.things.items()
            if thing.kind == "table" and address in self._existing and thing.schema in schemas
        }


def _failed(script: Script, error: psycopg.Error, *, offset: int | None, done: int) -> ScriptFailed:
    return ScriptFailed(place_of(script), report_of(error), offset=offset, done=done)
