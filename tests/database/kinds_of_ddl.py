"""Kinds of statements, with what each does to tables that were there before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.migrations.foresight.hazards import SAFE

if TYPE_CHECKING:
    from catalog.migrations.foresight.facts import StatementFacts

SETUP = """
    CREATE TABLE "Authors" (
        id    serial PRIMARY KEY,
        name  text
    );
    CREATE TABLE "Books" (
        id          serial PRIMARY KEY,
        title       varchar(255),
        pages       integer DEFAULT 1,
        isbn        text,
        "authorId"  integer REFERENCES "Authors",
        CONSTRAINT pages_known CHECK (pages IS NOT NULL)
    );
    CREATE INDEX "Books_title_idx" ON "Books" (title);
    CREATE UNIQUE INDEX "Books_isbn_idx" ON "Books" (isbn);
    CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER fill BEFORE UPDATE ON "Books" FOR EACH ROW EXECUTE FUNCTION fill();

    CREATE TABLE reviews (
        id          integer,
        "authorId"  integer,
        stars       integer,
        note        text DEFAULT ''
    );
    ALTER TABLE reviews
        ADD CONSTRAINT few_stars CHECK (stars < 6) NOT VALID,
        ADD CONSTRAINT of_author FOREIGN KEY ("authorId") REFERENCES "Authors" NOT VALID;
    CREATE INDEX reviews_author ON reviews ("authorId");

    CREATE TABLE sales (day date, amount integer) PARTITION BY RANGE (day);
    CREATE TABLE sales_2020 PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE sales_2021 (LIKE sales);
    CREATE TABLE sales_2022 (
        LIKE sales,
        CHECK (day IS NOT NULL AND day >= '2022-01-01' AND day < '2023-01-01')
    );

    CREATE SCHEMA archive;
    CREATE TABLE archive.books (id integer, title text);
    CREATE VIEW archive.titles AS SELECT title FROM archive.books;
    CREATE MATERIALIZED VIEW names AS SELECT id FROM "Authors";
    CREATE UNIQUE INDEX ON names (id);

    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN score AS integer;
    CREATE TABLE scores (score score);
    CREATE SEQUENCE numbers;
"""

ROWS = """
    INSERT INTO "Authors" (name) SELECT 'n' || i FROM generate_series(1, 500) AS i;
    INSERT INTO "Books" (title, pages, isbn, "authorId")
    SELECT 't' || i, i, 'i' || i, i % 500 + 1 FROM generate_series(1, 5000) AS i;
    INSERT INTO reviews SELECT i, i % 500 + 1, i % 5 + 1 FROM generate_series(1, 5000) AS i;
    INSERT INTO archive.books SELECT i, 't' FROM generate_series(1, 500) AS i;
    INSERT INTO scores SELECT i FROM generate_series(1, 500) AS i;
    INSERT INTO sales SELECT '2020-02-02', i FROM generate_series(1, 500) AS i;
    INSERT INTO sales_2021 SELECT '2021-02-02', i FROM generate_series(1, 500) AS i;
    INSERT INTO sales_2022 SELECT '2022-02-02', i FROM generate_series(1, 500) AS i;
    REFRESH MATERIALIZED VIEW names;
"""

NO_TRANSACTION = "-- migrate: no-transaction\n"


@dataclass(frozen=True)
class Kind:
    """A statement, the facts about it (see `told`), and the verdict."""

    statement: str
    facts: tuple[str, ...]
    verdict: str = SAFE
    quick: bool = False
    """Whether to try it in a quick run, too."""
    since: int = 15
    """The first version of Postgres that has it, or does this."""
    until: int = 18
    """The last one that does this."""

    @property
    def alone(self) -> bool:
        """Whether Postgres refuses it in a transaction."""
        return self.statement.startswith(NO_TRANSACTION)


def told(facts: StatementFacts) -> set[str]:
    """Facts about a statement, each in a line, without what has just been made."""
    lines = {
        f"{lock.mode} on {lock.relation}{f' by {lock.via.name}' if lock.via else ''}"
        for lock in facts.locks
        if not lock.through_reference
    }
    for verb, items in (
        ("rewrites", facts.rewrites),
        ("builds", facts.builds),
        ("rebuilds", facts.rebuilds),
        ("scans", facts.scans),
        ("changes", facts.changes),
        ("empties", facts.empties),
        ("drops", facts.drops),
        ("validates", facts.validates),
        ("requires", facts.requires),
        ("retypes", facts.retypes),
        ("attaches", facts.attaches),
        ("detaches", facts.detaches),
    ):
        lines |= {f"{verb} {item.kind} {item.name}" for item in items}
    return lines | {f"renames {item.kind} {item.name} to {name}" for item, name in facts.renames}


_ALL = 'ACCESS EXCLUSIVE on "Books"'
_REWRITTEN = (_ALL, 'rewrites table "Books"', 'scans table "Books"')
_REWRITES = 'blocks reads and writes on "Books" while it rewrites the table'
_CHECKED = (_ALL, 'scans table "Books"')
_CHECKS = 'blocks reads and writes on "Books" while it checks every row'

KINDS = [
    # Indexes
    Kind(
        'CREATE INDEX i ON "Books" (pages)',
        ('SHARE on "Books"', "builds index i", 'scans table "Books"'),
        'blocks writes on "Books" while it builds an index',
        quick=True,
    ),
    Kind(
        'CREATE UNIQUE INDEX i ON "Books" (lower(title)) WHERE pages > 3',
        ('SHARE on "Books"', "builds index i", 'scans table "Books"'),
        'blocks writes on "Books" while it builds an index',
    ),
    Kind(
        "CREATE INDEX i ON sales (day)",
        (
            *("SHARE on sales", "SHARE on sales_2020"),
            *("builds index sales_2020_day_idx", "scans table sales_2020"),
        ),
        "blocks writes on sales_2020 and sales while it builds an index on sales_2020",
    ),
    Kind("CREATE INDEX i ON ONLY sales (day)", ("SHARE on sales",)),
    Kind(
        f'{NO_TRANSACTION}CREATE INDEX CONCURRENTLY i ON "Books" (pages)',
        ('SHARE UPDATE EXCLUSIVE on "Books"', "builds index i", 'scans table "Books"'),
        quick=True,
    ),
    Kind(
        'DROP INDEX "Books_title_idx"',
        (_ALL, 'drops index "Books_title_idx"'),
        'drops index "Books_title_idx" of "Books"',
    ),
    Kind(
        f'{NO_TRANSACTION}DROP INDEX CONCURRENTLY "Books_title_idx"',
        ('SHARE UPDATE EXCLUSIVE on "Books"', 'drops index "Books_title_idx"'),
        'drops index "Books_title_idx" of "Books"',
    ),
    Kind('ALTER INDEX "Books_title_idx" RENAME TO i', ('renames index "Books_title_idx" to i',)),
    Kind(
        'REINDEX INDEX "Books_title_idx"',
        (
            *('SHARE on "Books"', 'ACCESS EXCLUSIVE on "Books" by "Books_title_idx"'),
            *('rebuilds index "Books_title_idx"', 'scans table "Books"'),
        ),
        'blocks reads and writes on "Books" while it rebuilds an index',
        quick=True,
    ),
    Kind(
        "REINDEX TABLE reviews",
        (
            *("SHARE on reviews", "ACCESS EXCLUSIVE on reviews by reviews_author"),
            *("rebuilds index reviews_author", "scans table reviews"),
        ),
        "blocks reads and writes on reviews while it rebuilds an index",
    ),
    Kind(
        f"{NO_TRANSACTION}REINDEX TABLE CONCURRENTLY reviews",
        (
            *("SHARE UPDATE EXCLUSIVE on reviews", "rebuilds index reviews_author"),
            "scans table reviews",
        ),
    ),
    # Columns
    Kind('ALTER TABLE "Books" ADD x integer', (_ALL,)),
    Kind('ALTER TABLE "Books" ADD x integer NOT NULL DEFAULT 3', (_ALL,), quick=True),
    Kind('ALTER TABLE "Books" ADD x integer NOT NULL', _CHECKED, _CHECKS),
    Kind('ALTER TABLE "Books" ADD x timestamptz DEFAULT now()', (_ALL,)),
    Kind(
        'ALTER TABLE "Books" ADD x uuid DEFAULT gen_random_uuid()',
        _REWRITTEN,
        _REWRITES,
        quick=True,
    ),
    Kind(
        'ALTER TABLE "Books" ADD x integer GENERATED ALWAYS AS (pages + 1) STORED',
        _REWRITTEN,
        _REWRITES,
    ),
    Kind('ALTER TABLE "Books" ADD x integer GENERATED ALWAYS AS (pages + 1)', (_ALL,), since=18),
    Kind(
        'ALTER TABLE "Books" ADD x integer GENERATED ALWAYS AS IDENTITY',
        _REWRITTEN,
        _REWRITES,
    ),
    Kind('ALTER TABLE "Books" ADD x serial', _REWRITTEN, _REWRITES),
    Kind(
        'ALTER TABLE "Books" ADD x integer REFERENCES "Authors"',
        (_ALL, 'SHARE ROW EXCLUSIVE on "Authors"'),
    ),
    Kind(
        'ALTER TABLE "Books" ADD x integer DEFAULT 1 REFERENCES "Authors"',
        (*_CHECKED, 'SHARE ROW EXCLUSIVE on "Authors"'),
        'blocks reads and writes on "Books" and writes on "Authors"'
        ' while it checks every row of "Books"',
    ),
    Kind(
        'ALTER TABLE "Books" DROP isbn',
        (_ALL, "drops column isbn"),
        'drops column isbn of "Books"',
        quick=True,
    ),
    Kind(
        'ALTER TABLE "Books" RENAME title TO name',
        (_ALL, "renames column title to name"),
        'renames column title of "Books" to name',
    ),
    Kind('ALTER TABLE "Books" ALTER title TYPE varchar(300)', (_ALL, "retypes column title")),
    Kind('ALTER TABLE "Books" ALTER title TYPE text', (_ALL, "retypes column title"), quick=True),
    Kind(
        'ALTER TABLE "Books" ALTER title TYPE varchar(100)',
        (*_REWRITTEN, "retypes column title"),
        _REWRITES,
    ),
    Kind(
        'ALTER TABLE "Books" ALTER isbn TYPE varchar(20)',
        (*_REWRITTEN, "retypes column isbn"),
        _REWRITES,
    ),
    Kind(
        'ALTER TABLE "Books" ALTER isbn TYPE text USING upper(isbn)',
        _REWRITTEN,
        _REWRITES,
    ),
    Kind(
        'ALTER TABLE "Books" ALTER pages TYPE bigint',
        (*_REWRITTEN, "retypes column pages"),
        _REWRITES,
    ),
    Kind(
        'ALTER TABLE "Books" ALTER title TYPE varchar(255) COLLATE "POSIX"',
        (*_CHECKED, 'rebuilds index "Books_title_idx"', "retypes column title"),
        'blocks reads and writes on "Books" while it rebuilds an index',
    ),
    Kind(
        'ALTER TABLE "Books" ALTER title SET NOT NULL',
        (*_CHECKED, "requires column title"),
        _CHECKS,
        quick=True,
    ),
    Kind('ALTER TABLE "Books" ALTER pages SET NOT NULL', (_ALL, "requires column pages")),
    Kind('ALTER TABLE "Books" ALTER title DROP NOT NULL', (_ALL,)),
    Kind(
        'ALTER TABLE "Books" ADD CONSTRAINT c NOT NULL title NOT VALID',
        (_ALL, "requires column title"),
        since=18,
    ),
    Kind('ALTER TABLE "Books" ALTER title SET DEFAULT $$none$$', (_ALL,)),
    Kind(
        "ALTER TABLE reviews ALTER note DROP DEFAULT",
        ("ACCESS EXCLUSIVE on reviews", "drops default note"),
        "drops the default of column note of reviews",
    ),
    Kind(
        'ALTER TABLE "Books" ALTER title SET STATISTICS 9', ('SHARE UPDATE EXCLUSIVE on "Books"',)
    ),
    Kind('ALTER TABLE "Books" ALTER title SET STORAGE EXTERNAL', (_ALL,)),
    # Constraints
    Kind('ALTER TABLE "Books" ADD CHECK (pages > 0)', _CHECKED, _CHECKS, quick=True),
    Kind('ALTER TABLE "Books" ADD CHECK (pages > 0) NOT VALID', (_ALL,)),
    Kind(
        "ALTER TABLE reviews VALIDATE CONSTRAINT few_stars",
        (
            *("SHARE UPDATE EXCLUSIVE on reviews", "scans table reviews"),
            "validates check few_stars",
        ),
    ),
    Kind(
        'ALTER TABLE reviews ADD FOREIGN KEY (stars) REFERENCES "Authors"',
        (
            *("SHARE ROW EXCLUSIVE on reviews", 'SHARE ROW EXCLUSIVE on "Authors"'),
            "scans table reviews",
        ),
        'blocks writes on reviews and "Authors" while it checks every row of reviews',
        quick=True,
    ),
    Kind(
        'ALTER TABLE reviews ADD FOREIGN KEY (stars) REFERENCES "Authors" NOT VALID',
        ("SHARE ROW EXCLUSIVE on reviews", 'SHARE ROW EXCLUSIVE on "Authors"'),
    ),
    Kind(
        "ALTER TABLE reviews VALIDATE CONSTRAINT of_author",
        (
            *("SHARE UPDATE EXCLUSIVE on reviews", 'ROW SHARE on "Authors"', "scans table reviews"),
            "validates foreign key of_author",
        ),
        quick=True,
    ),
    Kind(
        "ALTER TABLE reviews ADD PRIMARY KEY (id)",
        (
            *("ACCESS EXCLUSIVE on reviews", "builds index reviews_pkey", "scans table reviews"),
            "requires column id",
        ),
        "blocks reads and writes on reviews while it builds an index",
    ),
    Kind(
        'ALTER TABLE "Books" ADD CONSTRAINT u UNIQUE (title)',
        (*_CHECKED, "builds index u"),
        'blocks reads and writes on "Books" while it builds an index',
    ),
    Kind(
        'ALTER TABLE "Books" ADD CONSTRAINT u UNIQUE USING INDEX "Books_isbn_idx"',
        (_ALL, 'renames index "Books_isbn_idx" to u'),
    ),
    Kind(
        'ALTER TABLE "Books" ADD CONSTRAINT u EXCLUDE USING gist (int4range(id, pages) WITH &&)',
        (*_CHECKED, "builds index u"),
        'blocks reads and writes on "Books" while it builds an index',
    ),
    Kind(
        "ALTER TABLE reviews DROP CONSTRAINT few_stars",
        ("ACCESS EXCLUSIVE on reviews", "drops check few_stars"),
    ),
    Kind(
        'ALTER TABLE "Books" DROP CONSTRAINT "Books_authorId_fkey"',
        (_ALL, 'ACCESS EXCLUSIVE on "Authors"', 'drops foreign key "Books_authorId_fkey"'),
    ),
    Kind(
        'ALTER TABLE "Authors" DROP CONSTRAINT "Authors_pkey" CASCADE',
        (
            *('ACCESS EXCLUSIVE on "Authors"', _ALL, "ACCESS EXCLUSIVE on reviews"),
            *('drops primary key "Authors_pkey"', "drops foreign key of_author"),
            'drops foreign key "Books_authorId_fkey"',
        ),
        'drops primary key "Authors_pkey" of "Authors"',
    ),
    Kind(
        'ALTER TABLE "Books" RENAME CONSTRAINT pages_known TO known',
        (_ALL, "renames check pages_known to known"),
    ),
    Kind(
        "ALTER DOMAIN score ADD CHECK (VALUE > 0)",
        ("SHARE on scores", "scans table scores"),
        "blocks writes on scores while it checks every row",
    ),
    # Tables that others refer to
    Kind(
        'ALTER TABLE "Authors" ALTER name SET NOT NULL',
        ('ACCESS EXCLUSIVE on "Authors"', 'scans table "Authors"', "requires column name"),
        'blocks reads and writes on "Authors", and so writes on "Books" and reviews,'
        " while it checks every row",
        quick=True,
    ),
    Kind('LOCK TABLE "Authors" IN EXCLUSIVE MODE', ('EXCLUSIVE on "Authors"',)),
    Kind('LOCK TABLE "Authors" IN SHARE ROW EXCLUSIVE MODE', ('SHARE ROW EXCLUSIVE on "Authors"',)),
    # Tables
    Kind(
        'ALTER TABLE "Books" RENAME TO "Works"',
        (_ALL, 'renames table "Books" to "Works"'),
        'renames table "Books" to "Works"',
    ),
    Kind(
        "ALTER TABLE archive.books SET SCHEMA public",
        ("ACCESS EXCLUSIVE on archive.books", "renames table archive.books to books"),
        "renames table archive.books to books",
    ),
    Kind('ALTER TABLE "Books" SET (fillfactor = 70)', ('SHARE UPDATE EXCLUSIVE on "Books"',)),
    Kind(
        "ALTER TABLE archive.books SET UNLOGGED",
        (
            *("ACCESS EXCLUSIVE on archive.books", "rewrites table archive.books"),
            "scans table archive.books",
        ),
        "blocks reads and writes on archive.books while it rewrites the table",
    ),
    Kind('ALTER TABLE "Books" ENABLE ROW LEVEL SECURITY', (_ALL,)),
    Kind('ALTER TABLE "Books" DISABLE TRIGGER USER', ('SHARE ROW EXCLUSIVE on "Books"',)),
    Kind('ALTER TABLE "Books" OWNER TO CURRENT_USER', (_ALL,)),
    Kind('ALTER TABLE "Books" REPLICA IDENTITY FULL', (_ALL,)),
    Kind(
        'TRUNCATE reviews, "Books"',
        (
            *(_ALL, "ACCESS EXCLUSIVE on reviews"),
            *('empties table "Books"', "empties table reviews"),
        ),
        'empties "Books" and reviews',
        quick=True,
    ),
    Kind(
        "DO $$ BEGIN TRUNCATE reviews; END $$",
        ("ACCESS EXCLUSIVE on reviews", "empties table reviews"),
        "empties reviews",
    ),
    Kind(
        'DROP TABLE "Books"',
        (_ALL, 'ACCESS EXCLUSIVE on "Authors"', 'drops table "Books"'),
        'drops table "Books"',
    ),
    Kind(
        "DROP TABLE archive.books CASCADE",
        (
            *("ACCESS EXCLUSIVE on archive.books", "ACCESS EXCLUSIVE on archive.titles"),
            *("drops table archive.books", "drops view archive.titles"),
        ),
        "drops table archive.books and view archive.titles",
    ),
    Kind("CREATE TABLE t (id integer)", ()),
    Kind('CREATE TABLE t (id integer REFERENCES "Books")', ('SHARE ROW EXCLUSIVE on "Books"',)),
    Kind('CREATE TABLE t (LIKE "Books" INCLUDING ALL)', ('ACCESS SHARE on "Books"',)),
    Kind(
        'CREATE TABLE t AS SELECT * FROM "Books"',
        ('ACCESS SHARE on "Books"', 'scans table "Books"'),
    ),
    Kind(f'{NO_TRANSACTION}VACUUM "Books"', ('SHARE UPDATE EXCLUSIVE on "Books"',)),
    Kind(f'{NO_TRANSACTION}VACUUM FULL "Books"', _REWRITTEN, _REWRITES),
    Kind('CLUSTER "Books" USING "Books_title_idx"', _REWRITTEN, _REWRITES),
    Kind('ANALYZE "Books"', ('SHARE UPDATE EXCLUSIVE on "Books"',)),
    Kind('LOCK TABLE "Books" IN SHARE MODE', ('SHARE on "Books"',)),
    # Partitions
    Kind(
        "ALTER TABLE sales ATTACH PARTITION sales_2021"
        " FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
        (
            *("SHARE UPDATE EXCLUSIVE on sales", "ACCESS EXCLUSIVE on sales_2021"),
            *("scans table sales_2021", "attaches table sales_2021"),
        ),
        "blocks reads and writes on sales_2021 while it checks every row",
    ),
    Kind(
        "ALTER TABLE sales ATTACH PARTITION sales_2022"
        " FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
        (
            *("SHARE UPDATE EXCLUSIVE on sales", "ACCESS EXCLUSIVE on sales_2022"),
            "attaches table sales_2022",
        ),
    ),
    Kind(
        "ALTER TABLE sales DETACH PARTITION sales_2020",
        (
            *("ACCESS EXCLUSIVE on sales", "ACCESS EXCLUSIVE on sales_2020"),
            "detaches table sales_2020",
        ),
        "detaches sales_2020",
    ),
    Kind(
        f"{NO_TRANSACTION}ALTER TABLE sales DETACH PARTITION sales_2020 CONCURRENTLY",
        (
            *("SHARE UPDATE EXCLUSIVE on sales", "ACCESS EXCLUSIVE on sales_2020"),
            "detaches table sales_2020",
        ),
        "detaches sales_2020",
    ),
    Kind(
        "CREATE TABLE t PARTITION OF sales FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
        ("ACCESS EXCLUSIVE on sales",),
    ),
    # Views, types, sequences, and what hangs on a table
    Kind('CREATE VIEW v AS SELECT id FROM "Books"', ('ACCESS SHARE on "Books"',)),
    Kind(
        "CREATE OR REPLACE VIEW archive.titles AS SELECT title, id FROM archive.books",
        ("ACCESS EXCLUSIVE on archive.titles", "ACCESS SHARE on archive.books"),
    ),
    Kind(
        "DROP VIEW archive.titles",
        ("ACCESS EXCLUSIVE on archive.titles", "drops view archive.titles"),
        "drops view archive.titles",
    ),
    Kind(
        "REFRESH MATERIALIZED VIEW names",
        (
            *("ACCESS EXCLUSIVE on names", 'ACCESS SHARE on "Authors"'),
            *("rewrites materialized view names", "scans materialized view names"),
            'scans table "Authors"',
        ),
        "blocks reads on names while it fills it anew",
    ),
    Kind(
        "REFRESH MATERIALIZED VIEW CONCURRENTLY names",
        (
            *("EXCLUSIVE on names", 'ACCESS SHARE on "Authors"'),
            *("scans materialized view names", 'scans table "Authors"'),
        ),
    ),
    Kind(
        "REFRESH MATERIALIZED VIEW names WITH NO DATA",
        ("ACCESS EXCLUSIVE on names", "empties materialized view names"),
        "empties names",
    ),
    Kind("ALTER TYPE mood ADD VALUE 'calm'", ()),
    Kind(
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
        ("renames value 'sad' to 'blue'",),
        "renames value 'sad' of mood to 'blue'",
    ),
    Kind(
        'ALTER SEQUENCE "Books_id_seq" INCREMENT 2',
        ('SHARE ROW EXCLUSIVE on "Books" by "Books_id_seq"',),
    ),
    Kind("ALTER SEQUENCE numbers INCREMENT 2", ("SHARE ROW EXCLUSIVE on numbers",)),
    Kind(
        'CREATE TRIGGER t BEFORE INSERT ON "Books" FOR EACH ROW EXECUTE FUNCTION fill()',
        ('SHARE ROW EXCLUSIVE on "Books"',),
    ),
    Kind(
        'DROP TRIGGER fill ON "Books"',
        (_ALL, "drops trigger fill"),
        'drops trigger fill of "Books"',
    ),
    Kind(
        "DROP FUNCTION fill() CASCADE",
        (_ALL, "drops function fill()", "drops trigger fill"),
        'drops function fill() and trigger fill of "Books"',
    ),
    Kind('CREATE POLICY p ON "Books"', (_ALL,)),
    Kind('CREATE RULE r AS ON INSERT TO "Books" DO ALSO NOTHING', (_ALL,)),
    Kind('CREATE STATISTICS s ON id, pages FROM "Books"', ('SHARE UPDATE EXCLUSIVE on "Books"',)),
    Kind("COMMENT ON TABLE \"Books\" IS 'read'", ('SHARE UPDATE EXCLUSIVE on "Books"',)),
    Kind('GRANT SELECT ON "Books" TO PUBLIC', (), until=17),
    Kind('GRANT SELECT ON "Books" TO PUBLIC', ('ACCESS SHARE on "Books"',), since=18),
    # Rows
    Kind(
        'UPDATE "Books" SET pages = 1',
        ('ROW EXCLUSIVE on "Books"', 'scans table "Books"', 'changes table "Books"'),
        'blocks changes to the rows of "Books" while it updates them',
        quick=True,
    ),
    Kind('UPDATE "Books" SET pages = 1 WHERE id = 5', ('ROW EXCLUSIVE on "Books"',)),
    Kind(
        'UPDATE "Books" SET pages = 1 FROM "Authors" WHERE "authorId" = "Authors".id',
        (
            *('ROW EXCLUSIVE on "Books"', 'ACCESS SHARE on "Authors"'),
            *('scans table "Authors"', 'changes table "Books"'),
        ),
        'blocks changes to the rows of "Books" while it updates them',
    ),
    Kind(
        "DO $$ BEGIN UPDATE reviews SET stars = 1; END $$",
        ("ROW EXCLUSIVE on reviews", "scans table reviews", "changes table reviews"),
        "blocks changes to the rows of reviews while it changes them",
    ),
    Kind(
        "DELETE FROM reviews WHERE stars = 1",
        ("ROW EXCLUSIVE on reviews", "scans table reviews", "changes table reviews"),
        "blocks changes to the rows of reviews while it deletes them",
    ),
    Kind(
        'INSERT INTO archive.books SELECT id, title FROM "Books"',
        (
            *("ROW EXCLUSIVE on archive.books", 'ACCESS SHARE on "Books"'),
            *('scans table "Books"', "changes table archive.books"),
        ),
    ),
    Kind("INSERT INTO reviews (id) VALUES (1)", ("ROW EXCLUSIVE on reviews",)),
    Kind(
        f"{NO_TRANSACTION}DO $$ BEGIN UPDATE reviews SET stars = 1; COMMIT; END $$",
        ("ROW EXCLUSIVE on reviews", "scans table reviews", "changes table reviews"),
    ),
]
