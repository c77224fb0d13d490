"""Facts judged: which verdict, which words, and which advice they come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.migrations.foresight import advice
from catalog.migrations.foresight.facts import Blocks, Item, StatementFacts, TableLock
from catalog.migrations.foresight.hazards import SAFE, Verdict, judge
from catalog.migrations.foresight.sizes import in_words, listed

SIZES = {
    '"Books"': (12_400_000, 3_328_599_654),
    '"Authors"': (812, 98_304),
    "reviews": (0, 0),
    "unknown": None,
}
BOOKS, AUTHORS, REVIEWS = (Item("table", name) for name in ('"Books"', '"Authors"', "reviews"))
BIG = '"Books" (12.4 M rows, 3.1 GB)'
SMALL = '"Authors" (812 rows, 96 kB)'


def lock(relation: str, mode: str, *, since: int = 1, via: Item | None = None) -> TableLock:
    blocks: dict[str, Blocks] = {
        "ACCESS EXCLUSIVE": "writes" if via == AUTHORS else "reads and writes",
        "SHARE ROW EXCLUSIVE": "writes",
        "SHARE": "writes",
    }
    return TableLock(relation, mode, blocks.get(mode, ""), since, via)


ALL = (lock('"Books"', "ACCESS EXCLUSIVE"),)
SHARED = (lock('"Books"', "SHARE"),)
READ = (lock('"Books"', "ACCESS SHARE"),)
WRITTEN = (lock('"Books"', "ROW EXCLUSIVE"),)


def facts(tag: str, number: int = 1, **found: object) -> StatementFacts:
    return StatementFacts(number, 0, "…", tag, **found)  # type: ignore[arg-type]


def verdict(*found: StatementFacts, transactional: bool = True, allowed: str = "") -> Verdict:
    return judge(found, SIZES, transactional=transactional, allowed=allowed.split())


def words(*found: StatementFacts, transactional: bool = True) -> tuple[str, ...]:
    return verdict(*found, transactional=transactional).words


# --- What cannot be measured


@pytest.mark.parametrize("tag", ["DO", "SELECT 1", "CALL"])
def test_rows_that_code_changes_are_said_to_be_unmeasured(tag: str) -> None:
    found = verdict(facts(tag, locks=WRITTEN))

    assert found.words == (
        f"changes rows of {BIG} in code; how many, only the rows there can tell",
    )
    assert not found.fails(["blocking", "rewrite", "drop"])


def test_an_insert_that_updates_by_the_way_is_no_mere_insert() -> None:
    found = facts("INSERT 0 0", locks=WRITTEN, changes=(BOOKS,), scans=(BOOKS,))
    updating = replace(found, text="INSERT INTO b SELECT 1 FROM b ON CONFLICT (id) DO UPDATE …")

    assert words(found) == (SAFE,)
    assert words(updating) == (f"blocks changes to the rows of {BIG} while it changes them",)


# --- A lock, and what goes on meanwhile


@pytest.mark.parametrize(
    "found",
    [
        facts("CREATE TABLE", creates=(Item("table", "t"),)),
        facts("ALTER TABLE", locks=ALL, creates=(Item("column", "x", '"Books"'),)),
        facts("ALTER TABLE", locks=SHARED, validates=(Item("check", "c", '"Books"'),)),
        facts("CREATE INDEX", builds=(Item("index", "i", '"Books"'),), scans=(BOOKS,), alone=True),
        facts("SELECT 1", locks=READ, scans=(BOOKS,)),
        facts("INSERT 0 0", locks=WRITTEN, scans=(AUTHORS,), changes=(BOOKS,)),
        facts("DO", locks=WRITTEN, scans=(BOOKS,), changes=(BOOKS,), alone=True),
        facts("ALTER TABLE", locks=ALL, drops=(Item("check", "c", '"Books"'),)),
        facts("ALTER INDEX", renames=((Item("index", "i", '"Books"'), "j"),)),
    ],
    ids=lambda found: f"{found.tag}, {found.locks}",
)
def test_what_is_safe(found: StatementFacts) -> None:
    assert verdict(found).hazards == ()
    assert verdict(found).words == (SAFE,)


@pytest.mark.parametrize(
    ("found", "says", "kinds"),
    [
        (
            facts(
                "CREATE INDEX",
                locks=SHARED,
                builds=(Item("index", "i", '"Books"'),),
                scans=(BOOKS,),
            ),
            f"blocks writes on {BIG} while it builds an index",
            "blocking",
        ),
        (
            facts("ALTER TABLE", locks=ALL, rewrites=(BOOKS,), scans=(BOOKS,)),
            f"blocks reads and writes on {BIG} while it rewrites the table",
            "blocking rewrite",
        ),
        (
            facts("ALTER TABLE", locks=ALL, scans=(BOOKS,)),
            f"blocks reads and writes on {BIG} while it checks every row",
            "blocking",
        ),
        (
            facts(
                "ALTER TABLE",
                locks=(
                    lock('"Authors"', "SHARE ROW EXCLUSIVE"),
                    lock('"Books"', "SHARE ROW EXCLUSIVE"),
                ),
                scans=(BOOKS,),
            ),
            f'blocks writes on {BIG} and {SMALL} while it checks every row of "Books"',
            "blocking",
        ),
        (
            facts(
                "ALTER TABLE",
                locks=(*ALL, lock('"Authors"', "SHARE ROW EXCLUSIVE")),
                scans=(BOOKS,),
            ),
            (
                f"blocks reads and writes on {BIG} and writes on {SMALL}"
                ' while it checks every row of "Books"'
            ),
            "blocking",
        ),
        (
            facts(
                "ALTER TABLE",
                locks=(
                    lock('"Authors"', "ACCESS EXCLUSIVE"),
                    lock('"Books"', "ACCESS EXCLUSIVE", via=AUTHORS),
                    lock("reviews", "ACCESS EXCLUSIVE", via=AUTHORS),
                ),
                rewrites=(AUTHORS,),
            ),
            (
                f"blocks reads and writes on {SMALL}, and so writes on {BIG} and"
                " reviews (0 rows, 0 bytes), while it rewrites the table"
            ),
            "blocking rewrite",
        ),
        (
            facts(
                "REINDEX",
                locks=(
                    *SHARED,
                    lock('"Books"', "ACCESS EXCLUSIVE", via=Item("index", "i")),
                ),
                rebuilds=(Item("index", "i", '"Books"'), Item("index", "j", '"Books"')),
            ),
            f"blocks reads and writes on {BIG} while it rebuilds 2 indexes",
            "blocking rewrite",
        ),
        (
            facts(
                "REFRESH MATERIALIZED VIEW",
                locks=(TableLock("names", "ACCESS EXCLUSIVE", "reads", 1),),
                rewrites=(Item("materialized view", "names"),),
                scans=(BOOKS,),
            ),
            "blocks reads on names while it fills it anew",
            "blocking rewrite",
        ),
        (
            facts("UPDATE 0", locks=WRITTEN, scans=(BOOKS,), changes=(BOOKS,)),
            f"blocks changes to the rows of {BIG} while it updates them",
            "blocking",
        ),
        (
            facts("SELECT 1", locks=WRITTEN, scans=(BOOKS,), changes=(BOOKS,)),
            f"blocks changes to the rows of {BIG} while it changes them",
            "blocking",
        ),
    ],
)
def test_what_blocks_while_it_takes_long(found: StatementFacts, says: str, kinds: str) -> None:
    [hazard] = verdict(found).hazards

    assert hazard.says == says
    assert hazard.kinds == set(kinds.split())


def test_a_lock_counts_until_the_transaction_ends() -> None:
    first = facts("ALTER TABLE", locks=ALL)
    second = facts("UPDATE 0", 2, locks=WRITTEN, held=ALL, scans=(BOOKS,), changes=(BOOKS,))

    [hazard] = verdict(first, second).hazards

    assert hazard.statement == 2
    assert hazard.says == (
        f"blocks reads and writes on {BIG}, locked by statement 1, while it updates its rows"
    )


def test_locks_of_several_statements_are_laid_to_all_of_them() -> None:
    held = (lock('"Authors"', "ACCESS EXCLUSIVE"), lock('"Books"', "ACCESS EXCLUSIVE", since=2))
    found = facts("DO", 3, held=held, scans=(BOOKS,), requires=(Item("column", "x", '"Books"'),))

    assert words(found) == (
        (
            f"blocks reads and writes on {BIG} and {SMALL}, locked by statements 1 and 2,"
            ' while it checks every row of "Books"'
        ),
    )


def test_a_lock_of_its_own_is_not_laid_to_an_earlier_statement() -> None:
    found = facts(
        "CREATE INDEX",
        2,
        locks=(lock("reviews", "SHARE", since=2),),
        held=ALL,
        builds=(Item("index", "i", "reviews"),),
    )

    assert words(found) == (
        (
            f"blocks reads and writes on {BIG} and writes on reviews (0 rows, 0 bytes)"
            " while it builds an index on reviews"
        ),
    )


def test_partitions_are_named_up_to_a_point() -> None:
    names = [f"p{number}" for number in range(9)]
    found = facts(
        "CREATE INDEX",
        locks=tuple(lock(name, "SHARE") for name in ("p", *names)),
        builds=tuple(Item("index", f"{name}_i", name) for name in names),
    )

    assert words(found) == (
        "blocks writes on p0, p1 and 8 more while it builds an index on p0, p1 and 7 more",
    )


def test_a_size_that_is_not_known_is_not_said() -> None:
    for table in ("unknown", "unheard"):
        found = facts(
            "ALTER TABLE", locks=(lock(table, "ACCESS EXCLUSIVE"),), scans=(Item("table", table),)
        )
        assert words(found) == (f"blocks reads and writes on {table} while it checks every row",)


# --- What is not there any more, or not as it was


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (facts("DROP TABLE", locks=ALL, drops=(BOOKS,)), f"drops table {BIG}"),
        (
            facts("ALTER TABLE", drops=(Item("column", "isbn", '"Books"'),)),
            f"drops column isbn of {BIG}",
        ),
        (
            facts(
                "ALTER TABLE",
                drops=(Item("column", "isbn", '"Books"'), Item("column", "pages", '"Books"')),
            ),
            f'drops column isbn of {BIG} and column pages of "Books"',
        ),
        (facts("TRUNCATE TABLE", empties=(BOOKS, AUTHORS)), f"empties {BIG} and {SMALL}"),
        (
            facts("ALTER TABLE", renames=((Item("column", "title", '"Books"'), "name"),)),
            f"renames column title of {BIG} to name",
        ),
        (
            facts("ALTER TABLE", drops=(Item("default", "title", '"Books"'),)),
            f"drops the default of column title of {BIG}",
        ),
        (facts("ALTER TABLE", detaches=(REVIEWS,)), "detaches reviews (0 rows, 0 bytes)"),
        (
            facts("DO", drops=(Item("view", "v"),), renames=((BOOKS, "works"),)),
            f"drops view v and renames table {BIG} to works",
        ),
    ],
)
def test_what_the_application_may_miss(found: StatementFacts, says: str) -> None:
    [hazard] = verdict(found).hazards

    assert hazard.says == says
    assert hazard.kinds == {"drop"}


def test_a_view_made_again_in_the_transaction_is_not_missed() -> None:
    view = Item("view", "v")
    script = (facts("DROP VIEW", drops=(view,)), facts("CREATE VIEW", 2, creates=(view,)))

    assert words(*script) == (SAFE,)
    assert words(*script, transactional=False) == ("drops view v",)
    assert words(script[1], facts("DROP VIEW", 3, drops=(view,))) == ("drops view v",)
    assert words(*script, facts("VACUUM", 3, alone=True)) == ("drops view v",)


def test_a_column_made_again_has_lost_its_values() -> None:
    column = Item("column", "pages", '"Books"')

    assert words(
        facts("ALTER TABLE", drops=(column,)), facts("ALTER TABLE", 2, creates=(column,))
    ) == (f"drops column pages of {BIG}",)


def test_a_table_with_a_view_under_its_old_name_is_not_missed() -> None:
    rename = facts("ALTER TABLE", renames=((BOOKS, "works"),))
    view = facts("CREATE VIEW", 2, creates=(Item("view", '"Books"'),))

    assert words(rename) == (f"renames table {BIG} to works",)
    assert words(rename, view) == (SAFE,)


# --- What its author means


def test_what_is_meant_stays_listed_and_fails_nothing() -> None:
    rewrite = facts("ALTER TABLE", locks=ALL, rewrites=(BOOKS,))

    plain, half, whole = (
        verdict(rewrite, allowed=allowed) for allowed in ("", "blocking", "blocking rewrite")
    )

    assert plain.words == half.words == whole.words
    assert [each.hazards[0].meant for each in (plain, half, whole)] == [False, False, True]
    assert [each.fails(["blocking"]) for each in (plain, half, whole)] == [True, False, False]
    assert [each.fails(["rewrite"]) for each in (plain, half, whole)] == [True, True, False]
    assert not plain.fails(["drop"])
    assert not plain.fails([])


# --- The safer way


@pytest.mark.parametrize(
    ("found", "advised"),
    [
        (
            facts("VACUUM", locks=ALL, rewrites=(BOOKS,), alone=True),
            advice.COMPACT,
        ),
        (
            facts(
                "ALTER TABLE",
                locks=ALL,
                rewrites=(BOOKS,),
                retypes=(Item("column", "pages", '"Books"'),),
            ),
            advice.RETYPE,
        ),
        (
            facts(
                "ALTER TABLE",
                locks=ALL,
                rewrites=(BOOKS,),
                creates=(Item("column", "x", '"Books"'),),
            ),
            advice.FILL,
        ),
        (facts("ALTER TABLE", locks=ALL, rewrites=(BOOKS,)), ""),
        (
            facts("SELECT 1", 3, locks=READ, held=ALL, scans=(BOOKS,)),
            advice.APART.format(since="statement 1"),
        ),
        (facts("DROP TABLE", drops=(BOOKS,)), advice.UNUSED),
        (facts("ALTER TABLE", detaches=(REVIEWS,)), advice.UNUSED),
        (facts("TRUNCATE TABLE", empties=(BOOKS,)), advice.EMPTIED),
        (facts("ALTER TABLE", renames=((BOOKS, "works"),)), advice.UNNAMED),
        (facts("DROP INDEX", drops=(Item("index", "i", '"Books"'),)), advice.UNINDEX),
        (
            facts("DROP INDEX", drops=(Item("index", "i", '"Books"'),), alone=True),
            advice.UNSEARCHED,
        ),
    ],
)
def test_the_safer_way(found: StatementFacts, advised: str) -> None:
    [hazard] = verdict(found).hazards

    assert hazard.advice == advised


# --- Sizes


@pytest.mark.parametrize(
    ("rows", "size", "words"),
    [
        (0, 0, "0 rows, 0 bytes"),
        (1, 8192, "1 row, 8 kB"),
        (999, 1023, "999 rows, 1023 bytes"),
        (1000, 1024, "1 k rows, 1 kB"),
        (12_345, 5_000_000, "12.3 k rows, 4.8 MB"),
        (999_499, 1_072_693_248, "999 k rows, 1023 MB"),
        (999_500, 1_073_741_824, "1 M rows, 1 GB"),
        (12_400_000, 3_328_599_654, "12.4 M rows, 3.1 GB"),
        (124_000_000, 33_285_996_544, "124 M rows, 31 GB"),
        (5_300_000_000, 2_199_023_255_552, "5.3 G rows, 2 TB"),
        (-1, 8192, "8 kB"),
    ],
)
def test_a_size_in_words(rows: int, size: int, words: str) -> None:
    assert in_words(rows, size) == words


def test_a_list_in_words() -> None:
    assert [listed("abcdefghi"[:count]) for count in (1, 2, 3, 4, 9)] == [
        *("a", "a and b", "a, b and c"),
        *("a, b and 2 more", "a, b and 7 more"),
    ]
