"""What statements do to tables that were there before, and what others notice of it."""

from __future__ import annotations

import _thread
import shutil
import signal
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from catalog.embedded import EmbeddedServer
from catalog.errors import ScriptFailed
from catalog.migrations.foresight import advice
from catalog.migrations.foresight.facts import DEGREES
from catalog.migrations.foresight.hazards import SAFE, judge
from catalog.migrations.foresight.trace import Tracer
from catalog.migrations.migration import Script
from tests.database.kinds_of_ddl import KINDS, NO_TRANSACTION, ROWS, SETUP, Kind, told
from tests.whole.test_versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catalog.migrations.foresight.facts import StatementFacts

TABLES = (
    *('"Authors"', '"Books"', "reviews", "archive.books", "scores"),
    *("sales", "sales_2020", "sales_2021", "sales_2022"),
)
VIEW = "names"
HELD = """
    SELECT count(*)
      FROM pg_locks
      JOIN pg_database ON pg_database.oid = database AND datname = current_database()
     WHERE relation >= 16384
"""
WAITING = "SELECT relation::regclass::text FROM pg_locks WHERE NOT granted AND pid = %s"


@pytest.fixture(scope="module")
def servers(embedded_server: EmbeddedServer) -> Iterator[Callable[[int], EmbeddedServer]]:
    """Give a server of a version; it starts when it is first asked for."""
    started = {18: embedded_server}
    with ExitStack() as stack:

        def server(major: int) -> EmbeddedServer:
            if major not in started:
                home = Path(tempfile.mkdtemp(prefix="catalog-server-"))
                stack.callback(shutil.rmtree, home)
                home.chmod(0o755)
                started[major] = stack.enter_context(
                    EmbeddedServer(
                        home,
                        bindir=Version(major).bindir,
                        initdb_options=["--locale=C"],
                        settings={"fsync": "off"},
                    )
                )
            return started[major]

        yield server


@contextmanager
def new_database(server: EmbeddedServer) -> Iterator[str]:
    maintenance = make_conninfo(server.conninfo, dbname="postgres")
    name = f"trace {uuid.uuid4().hex}"
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(server.conninfo, dbname=name)
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))


class Scratch:
    """A scratch database with tables that are there, and a tracer for what comes after them."""

    def __init__(self, conninfo: str, setup: str = SETUP) -> None:
        self.connect = partial(psycopg.connect, conninfo, autocommit=True)
        self.connection = self.connect()
        self.connection.execute(setup.encode())
        self.tracer = Tracer(self.connection, self.connect)

    def trace(self, text: str) -> list[StatementFacts]:
        return self.tracer.trace(Script("0009_x.up.sql", text))

    def verdict(self, text: str) -> tuple[str, ...]:
        transactional = Script("0009_x.up.sql", text).transactional
        return judge(self.trace(text), {}, transactional=transactional).words


@pytest.fixture
def scratch(database: str) -> Iterator[Scratch]:
    found = Scratch(database)
    with found.connection:
        yield found


# --- Each kind of statement, and what a second session really experiences


def _runs() -> Iterator[object]:
    for major in (15, 16, 18):
        for kind in KINDS:
            marks = [] if major == 18 and kind.quick else [pytest.mark.slow]
            if kind.since <= major <= kind.until:
                name = kind.statement.removeprefix(NO_TRANSACTION)
                yield pytest.param(major, kind, id=f"{major}: {name}", marks=marks)


@pytest.mark.few(8)
@pytest.mark.parametrize(("major", "kind"), list(_runs()))
def test_the_facts_are_what_a_second_session_experiences(
    servers: Callable[[int], EmbeddedServer], major: int, kind: Kind
) -> None:
    with new_database(servers(major)) as conninfo:
        scratch = Scratch(conninfo)
        with scratch.connection, scratch.connect() as second:
            second.execute("SET lock_timeout = '50ms'")
            felt = (felt_alone if kind.alone else felt_in_transaction)(scratch, second, kind)

            [facts] = scratch.trace(kind.statement)

        verdict = judge([facts], {}, transactional=not kind.alone)
        assert told(facts) == set(kind.facts)
        assert verdict.words == (kind.verdict,)
        assert facts.alone == kind.alone
        if felt.get("sales") == "reads and writes":
            del felt["sales_2020"]  # nobody writes to a partition without a look at its table
        blocked = blocks_of(facts)
        assert felt == {relation: blocked.get(relation, "") for relation in felt}


def blocks_of(facts: StatementFacts) -> dict[str, str]:
    """What the facts say of each relation: the most that any of its locks blocks."""
    blocks: dict[str, str] = {}
    for lock in sorted(facts.locks, key=lambda lock: lock.degree):
        blocks[lock.relation] = lock.blocks
    return blocks


def felt_in_transaction(scratch: Scratch, second: psycopg.Connection, kind: Kind) -> dict[str, str]:
    """Whom the statement keeps waiting while its transaction is open."""
    with scratch.connect() as first, first.transaction(force_rollback=True):
        first.execute(kind.statement.encode())
        return {relation: blocked(second, relation) for relation in (*TABLES, VIEW)}


def felt_alone(scratch: Scratch, second: psycopg.Connection, kind: Kind) -> dict[str, str]:
    """Whom it keeps waiting on the table that it locks first.

    It is kept from getting that lock by one that readers and writers do not mind; but they have
    to queue behind it where theirs would not go together with what it asks for.
    """
    lock = f"LOCK TABLE {', '.join(f'ONLY {table}' for table in TABLES)}"
    with scratch.connect() as first, scratch.connect() as holder, holder.transaction():
        holder.execute(f"{lock} IN SHARE UPDATE EXCLUSIVE MODE".encode())
        thread = threading.Thread(target=run, args=(first, kind.statement))
        thread.start()
        try:
            while thread.is_alive():
                found = second.execute(WAITING, [first.info.backend_pid]).fetchone()
                if found:
                    return {found[0]: blocked(second, found[0])}
                time.sleep(0.002)
        finally:
            first.cancel_safe()
            thread.join()
    return {}


def run(connection: psycopg.Connection, statement: str) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        connection.execute(statement.encode())


def blocked(second: psycopg.Connection, relation: str) -> str:
    writes = relation != VIEW and waits(second, f"INSERT INTO {relation} DEFAULT VALUES")
    reads = waits(second, f"SELECT FROM ONLY {relation}")
    return " and ".join(["reads"] * reads + ["writes"] * writes)


def waits(second: psycopg.Connection, statement: str) -> bool:
    try:
        with second.transaction(force_rollback=True):
            second.execute(statement.encode())
    except psycopg.errors.LockNotAvailable:
        return True
    except psycopg.errors.IntegrityError:
        pass  # it got so far as to read and write
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in KINDS
        if kind.until == 18 and not kind.statement.endswith("integer NOT NULL")
    ],
    ids=lambda kind: kind.statement.removeprefix(NO_TRANSACTION),
)
def test_rows_make_no_difference(embedded_server: EmbeddedServer, kind: Kind) -> None:
    """But that where two tables are joined, both are read if the first one has rows."""
    with new_database(embedded_server) as conninfo:
        scratch = Scratch(conninfo, SETUP + ROWS)
        with scratch.connection:
            [facts] = scratch.trace(kind.statement)

    joined = (
        "REFERENCES" in kind.statement or "of_author" in kind.statement or "FROM" in kind.statement
    )
    more = told(facts) - set(kind.facts)
    assert told(facts) >= set(kind.facts)
    assert not more or (joined and {line.split()[0] for line in more} == {"scans"})


def test_the_kinds_are_many() -> None:
    assert len({kind.statement for kind in KINDS}) >= 100
    assert {word for kind in KINDS for word in kind.verdict.split()} >= {"reads", "writes", "safe"}
    assert DEGREES[-1] == "reads and writes"


# --- Scripts of several statements


def test_a_brief_lock_is_held_until_the_last_statement_has_run(scratch: Scratch) -> None:
    first, second = scratch.trace(
        'ALTER TABLE "Books" ADD x integer;\nUPDATE "Books" SET x = pages;'
    )

    assert (first.number, first.offset, first.held) == (1, 0, ())
    assert (second.number, second.offset) == (2, 35)
    assert [(lock.relation, lock.mode, lock.since) for lock in second.held] == [
        ('"Books"', "ACCESS EXCLUSIVE", 1)
    ]
    assert judge([first, second], {}, transactional=True).words == (
        'blocks reads and writes on "Books", locked by statement 1, while it updates its rows',
    )


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        (
            'ALTER TABLE "Books" ADD x integer; ALTER TABLE reviews ADD CHECK (stars > 0);',
            'blocks reads and writes on reviews and "Books" while it checks every row of reviews',
        ),
        (
            (
                "ALTER TABLE reviews ADD CONSTRAINT c CHECK (stars > 0) NOT VALID;"
                "ALTER TABLE reviews VALIDATE CONSTRAINT c;"
            ),
            "blocks reads and writes on reviews, locked by statement 1, while it checks every row",
        ),
        (
            (
                'CREATE TABLE t (id integer REFERENCES "Authors");'
                'INSERT INTO t SELECT id FROM "Books";'
            ),
            (
                'blocks writes on "Authors", locked by statement 1,'
                ' while it reads every row of "Books"'
            ),
        ),
        (
            'ALTER TABLE "Books" ADD x integer; CREATE INDEX ON "Books" (x);',
            'blocks reads and writes on "Books", locked by statement 1, while it builds an index',
        ),
        ('ALTER TABLE "Books" ADD x integer; ALTER TABLE reviews ADD x integer;', SAFE),
        ("CREATE TABLE t (id integer); INSERT INTO t VALUES (1); CREATE INDEX ON t (id);", SAFE),
        ("DROP VIEW archive.titles; CREATE VIEW archive.titles AS SELECT 1 AS title;", SAFE),
        (
            (
                f"{NO_TRANSACTION}DROP VIEW archive.titles;"
                "CREATE VIEW archive.titles AS SELECT 1 AS title;"
            ),
            "drops view archive.titles",
        ),
        (
            'ALTER TABLE "Books" RENAME TO works; CREATE VIEW "Books" AS SELECT * FROM works;',
            SAFE,
        ),
        (
            'ALTER TABLE "Books" DROP pages; ALTER TABLE "Books" ADD pages bigint;',
            'drops column pages of "Books"',
        ),
    ],
)
def test_a_script_is_judged_as_a_whole(scratch: Scratch, script: str, verdict: str) -> None:
    assert scratch.verdict(script) == (verdict,)


def test_without_a_transaction_nothing_is_held(scratch: Scratch) -> None:
    script = (
        f'{NO_TRANSACTION}ALTER TABLE "Books" ADD x integer;'
        'UPDATE "Books" SET x = 1 WHERE id = 1;'
        'CREATE INDEX CONCURRENTLY i ON "Books" (x);'
        'SELECT count(*) FROM "Books";'
    )

    found = scratch.trace(script)

    assert [facts.alone for facts in found] == [False, False, True, False]
    assert [facts.held for facts in found] == [()] * 4
    assert judge(found, {}, transactional=False).words == (SAFE,)


def test_what_an_earlier_migration_made_is_nobodys_yet(scratch: Scratch) -> None:
    scratch.trace('CREATE TABLE t (id integer); CREATE INDEX "new" ON "Books" (pages);')

    assert scratch.verdict("ALTER TABLE t ADD x uuid DEFAULT gen_random_uuid();") == (SAFE,)
    assert scratch.verdict('ALTER INDEX "new" RENAME TO newer;') == (SAFE,)
    assert scratch.verdict("REINDEX INDEX newer;") == (
        'blocks reads and writes on "Books" while it rebuilds an index',
    )
    assert scratch.verdict(f"{NO_TRANSACTION}REINDEX TABLE t; VACUUM FULL t;") == (SAFE,)
    assert scratch.verdict("DROP TABLE t; DROP INDEX newer;") == (SAFE,)


def test_what_was_made_again_under_its_name_is_still_what_it_was(scratch: Scratch) -> None:
    scratch.trace(f"{NO_TRANSACTION}REINDEX TABLE CONCURRENTLY reviews;")
    scratch.trace('ALTER TABLE "Books" ALTER title TYPE text;')

    assert scratch.verdict("DROP INDEX reviews_author;") == (
        "drops index reviews_author of reviews",
    )
    assert scratch.verdict('DROP INDEX "Books_title_idx";') == (
        'drops index "Books_title_idx" of "Books"',
    )


def test_a_wrapped_file_is_run_without_its_wrapping(scratch: Scratch) -> None:
    [facts] = scratch.trace('BEGIN;\nALTER TABLE "Books" ADD x integer;\nCOMMIT;\n')

    assert (facts.number, facts.offset, facts.tag) == (1, 7, "ALTER TABLE")


def test_a_lone_statement_needs_no_word_about_its_transaction(scratch: Scratch) -> None:
    [facts] = scratch.trace('CREATE INDEX CONCURRENTLY i ON "Books" (pages)')

    assert facts.alone
    assert told(facts) >= {'SHARE UPDATE EXCLUSIVE on "Books"', "builds index i"}


def test_every_table_that_a_lone_statement_locks_is_seen(scratch: Scratch) -> None:
    [facts] = scratch.trace(f'{NO_TRANSACTION}VACUUM FULL reviews, "Books", archive.books;')

    assert {(lock.relation, lock.mode) for lock in facts.locks} == {
        ("reviews", "ACCESS EXCLUSIVE"),
        ('"Books"', "ACCESS EXCLUSIVE"),
        ("archive.books", "ACCESS EXCLUSIVE"),
    }


def test_a_procedure_is_seen_to_come_back_for_more(scratch: Scratch) -> None:
    [facts] = scratch.trace(
        f"{NO_TRANSACTION}DO $$ BEGIN INSERT INTO reviews (id) VALUES (1); COMMIT;"
        " LOCK TABLE reviews; COMMIT; LOCK TABLE scores IN SHARE UPDATE EXCLUSIVE MODE; END $$;"
    )

    assert {(lock.relation, lock.mode) for lock in facts.locks} == {
        ("reviews", "ACCESS EXCLUSIVE"),
        ("scores", "SHARE UPDATE EXCLUSIVE"),
    }


def test_what_a_script_sets_does_not_reach_the_next(scratch: Scratch) -> None:
    scratch.trace("SET search_path = archive; SET ROLE pg_monitor;")

    [facts] = scratch.trace("ALTER TABLE reviews ADD x integer")

    assert told(facts) == {"ACCESS EXCLUSIVE on reviews"}


def test_a_script_of_comments_has_no_facts(scratch: Scratch) -> None:
    assert scratch.trace("-- nothing yet") == []


# --- The safer way is safer


@pytest.mark.parametrize(
    ("unsafe", "advised", "safer"),
    [
        (
            'CREATE INDEX i ON "Books" (pages)',
            advice.BUILD,
            [f'{NO_TRANSACTION}CREATE INDEX CONCURRENTLY i ON "Books" (pages)'],
        ),
        (
            "CREATE INDEX i ON sales (day)",
            advice.LEAVES.format(table="sales"),
            [
                (
                    f"{NO_TRANSACTION}CREATE INDEX i ON ONLY sales (day);"
                    "CREATE INDEX CONCURRENTLY i1 ON sales_2020 (day);"
                    "ALTER INDEX i ATTACH PARTITION i1;"
                )
            ],
        ),
        (
            'REINDEX INDEX "Books_title_idx"',
            advice.REBUILD,
            [f'{NO_TRANSACTION}REINDEX INDEX CONCURRENTLY "Books_title_idx"'],
        ),
        (
            'ALTER TABLE "Books" ADD CHECK (pages > 0)',
            advice.CONSTRAIN,
            [
                'ALTER TABLE "Books" ADD CONSTRAINT c CHECK (pages > 0) NOT VALID',
                'ALTER TABLE "Books" VALIDATE CONSTRAINT c',
            ],
        ),
        (
            'ALTER TABLE reviews ADD FOREIGN KEY (stars) REFERENCES "Authors"',
            advice.CONSTRAIN,
            [
                (
                    'ALTER TABLE reviews ADD CONSTRAINT c FOREIGN KEY (stars) REFERENCES "Authors"'
                    " NOT VALID"
                ),
                "ALTER TABLE reviews VALIDATE CONSTRAINT c",
            ],
        ),
        (
            "ALTER DOMAIN score ADD CHECK (VALUE > 0)",
            advice.CONSTRAIN,
            ["ALTER DOMAIN score ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID"],
        ),
        (
            'ALTER TABLE "Books" ALTER isbn SET NOT NULL, ALTER title SET NOT NULL',
            advice.REQUIRE.format(check="isbn IS NOT NULL AND title IS NOT NULL"),
            [
                (
                    'ALTER TABLE "Books" ADD CONSTRAINT c'
                    " CHECK (isbn IS NOT NULL AND title IS NOT NULL) NOT VALID"
                ),
                'ALTER TABLE "Books" VALIDATE CONSTRAINT c',
                'ALTER TABLE "Books" ALTER isbn SET NOT NULL, ALTER title SET NOT NULL',
            ],
        ),
        (
            'ALTER TABLE "Books" ALTER title SET NOT NULL',
            advice.REQUIRE.format(check="title IS NOT NULL"),
            [
                'ALTER TABLE "Books" ADD CONSTRAINT c NOT NULL title NOT VALID',
                'ALTER TABLE "Books" VALIDATE CONSTRAINT c',
            ],
        ),
        (
            "ALTER TABLE reviews ADD PRIMARY KEY (id)",
            advice.MAKE_UNIQUE,
            [
                "ALTER TABLE reviews ADD CONSTRAINT c CHECK (id IS NOT NULL) NOT VALID",
                "ALTER TABLE reviews VALIDATE CONSTRAINT c",
                f"{NO_TRANSACTION}CREATE UNIQUE INDEX CONCURRENTLY i ON reviews (id);",
                "ALTER TABLE reviews ADD PRIMARY KEY USING INDEX i",
            ],
        ),
        (
            'ALTER TABLE "Books" ADD x integer NOT NULL',
            advice.NEEDS_DEFAULT,
            ['ALTER TABLE "Books" ADD x integer NOT NULL DEFAULT 0'],
        ),
        (
            'ALTER TABLE "Books" ADD x uuid DEFAULT gen_random_uuid()',
            advice.DEFAULT,
            [
                (
                    'ALTER TABLE "Books" ADD x uuid;'
                    'ALTER TABLE "Books" ALTER x SET DEFAULT gen_random_uuid();'
                ),
                f'{NO_TRANSACTION}DO $$ BEGIN UPDATE "Books" SET x = DEFAULT; COMMIT; END $$;',
            ],
        ),
        (
            'UPDATE "Books" SET pages = 1',
            advice.BATCHES,
            [f'{NO_TRANSACTION}DO $$ BEGIN UPDATE "Books" SET pages = 1; COMMIT; END $$;'],
        ),
        (
            "REFRESH MATERIALIZED VIEW names",
            advice.REFRESH,
            ["REFRESH MATERIALIZED VIEW CONCURRENTLY names"],
        ),
        (
            (
                "ALTER TABLE sales ATTACH PARTITION sales_2021"
                " FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')"
            ),
            advice.ATTACH,
            [
                (
                    "ALTER TABLE sales_2021 ADD CONSTRAINT c CHECK"
                    " (day IS NOT NULL AND day >= '2021-01-01' AND day < '2022-01-01') NOT VALID"
                ),
                "ALTER TABLE sales_2021 VALIDATE CONSTRAINT c",
                (
                    "ALTER TABLE sales ATTACH PARTITION sales_2021"
                    " FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')"
                ),
            ],
        ),
        (
            (
                "ALTER TABLE reviews ADD CONSTRAINT c CHECK (stars > 0) NOT VALID;"
                "ALTER TABLE reviews VALIDATE CONSTRAINT c;"
            ),
            advice.APART.format(since="statement 1"),
            [
                "ALTER TABLE reviews ADD CONSTRAINT c CHECK (stars > 0) NOT VALID",
                "ALTER TABLE reviews VALIDATE CONSTRAINT c",
            ],
        ),
    ],
)
@pytest.mark.slow
def test_what_is_advised_is_safe_while_the_application_runs(
    embedded_server: EmbeddedServer, unsafe: str, advised: str, safer: list[str]
) -> None:
    with new_database(embedded_server) as conninfo, Scratch(conninfo).connection as connection:
        tracer = Tracer(connection, partial(psycopg.connect, conninfo, autocommit=True))
        verdict = judge(tracer.trace(Script("x.sql", unsafe)), {}, transactional=True)
    with new_database(embedded_server) as conninfo:
        scratch = Scratch(conninfo)
        with scratch.connection:
            after = [scratch.verdict(script) for script in safer]

    assert [hazard.advice for hazard in verdict.hazards] == [advised]
    assert after == [(SAFE,)] * len(safer)


# --- What goes wrong


def test_a_failure_names_its_place_and_leaves_nothing(scratch: Scratch) -> None:
    script = 'ALTER TABLE "Books" ADD x integer;\n-- é\nALTER TABLE "Books" ADD y intger;'

    with pytest.raises(ScriptFailed) as failed:
        scratch.trace(script)

    assert failed.value.report.sqlstate == "42704"
    assert script[failed.value.offset :] == "intger;"
    assert failed.value.script.transactional
    assert told(scratch.trace('ALTER TABLE "Books" ADD x integer')[0]) == {
        'ACCESS EXCLUSIVE on "Books"'
    }


def test_a_failure_without_a_transaction_tells_how_much_was_done(scratch: Scratch) -> None:
    with pytest.raises(ScriptFailed) as failed:
        scratch.trace(
            f"{NO_TRANSACTION}INSERT INTO reviews (id) VALUES (1), (1);"
            "CREATE UNIQUE INDEX CONCURRENTLY i ON reviews (id);"
        )

    assert (failed.value.report.sqlstate, failed.value.done) == ("23505", 1)
    assert failed.value.offset == failed.value.script.text.index("CREATE")


def test_what_was_put_off_until_the_end_may_fail_there(scratch: Scratch) -> None:
    scratch.trace(
        'ALTER TABLE reviews ADD CONSTRAINT c FOREIGN KEY (stars) REFERENCES "Authors"'
        " DEFERRABLE INITIALLY DEFERRED"
    )

    with pytest.raises(ScriptFailed) as failed:
        scratch.trace("INSERT INTO reviews (stars) VALUES (4)")

    assert (failed.value.report.sqlstate, failed.value.offset) == ("23503", None)


def test_a_transaction_that_a_script_needs_in_vain_is_its_failure(scratch: Scratch) -> None:
    with pytest.raises(ScriptFailed) as failed:
        scratch.trace('SELECT 1; VACUUM "Books";')

    assert failed.value.report.sqlstate == "25001"


def test_ctrl_c_stops_a_lone_statement_and_lets_go_of_all_tables(scratch: Scratch) -> None:
    # Whoever runs the tests in the background has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with scratch.connect() as other, other.transaction():
        other.execute("LOCK TABLE reviews IN ACCESS SHARE MODE")
        threading.Timer(0.3, _thread.interrupt_main).start()

        with pytest.raises(KeyboardInterrupt):
            scratch.trace(f"{NO_TRANSACTION}VACUUM FULL reviews")

    deadline = time.monotonic() + 10
    while scratch.connection.execute(HELD).fetchone() != (0,):
        assert time.monotonic() < deadline  # whoever is gone may take a moment to be so
        time.sleep(0.05)
