"""Changes of a schema, one at a time: the way there, the way back, and what is to be told of it."""

from __future__ import annotations

from dataclasses import dataclass

NEW, GONE = "new", "gone"

BASE = """
    CREATE TABLE t (id integer PRIMARY KEY, name text, n integer);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""


@dataclass(frozen=True)
class Change:
    """A change of a schema, the way back, and what is to be told of it."""

    name: str
    script: str
    back: str
    told: dict[str, object]
    before: str = ""
    """What has to be there before, beside `BASE`."""


def _fact(kind_and_name: str, **facts: tuple[str | None, str | None]) -> dict[str, object]:
    return {kind_and_name: {name.replace("_", " "): values for name, values in facts.items()}}


PARENT = "CREATE TABLE parent (id integer NOT NULL, name text, n integer);"
PARTED = """
    CREATE TABLE parted (id integer) PARTITION BY RANGE (id);
    CREATE TABLE part (id integer);
"""

CHANGES_OF_TABLES = [
    Change(
        "a table",
        "CREATE TABLE u (id serial PRIMARY KEY)",
        "DROP TABLE u",
        {"table public.u": NEW},
    ),
    Change(
        "a table that is gone",
        "DROP TABLE u",
        "CREATE TABLE u (id serial UNIQUE, a text DEFAULT 'b')",
        {"table public.u": GONE},
        "CREATE TABLE u (id serial UNIQUE, a text DEFAULT 'b')",
    ),
    Change(
        "unlogged",
        "ALTER TABLE t SET UNLOGGED",
        "ALTER TABLE t SET LOGGED",
        _fact("table public.t", unlogged=(None, "yes")),
    ),
    Change(
        "storage parameters",
        "ALTER TABLE t SET (fillfactor = 70, autovacuum_enabled = off)",
        "ALTER TABLE t RESET (autovacuum_enabled, fillfactor)",
        _fact("table public.t", options=(None, "autovacuum_enabled=off, fillfactor=70")),
    ),
    Change(
        "storage parameters of the toast table",
        "ALTER TABLE t SET (toast.autovacuum_enabled = off)",
        "ALTER TABLE t RESET (toast.autovacuum_enabled)",
        _fact("table public.t", toast_options=(None, "autovacuum_enabled=off")),
    ),
    Change(
        "row level security",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
        _fact("table public.t", row_level_security=(None, "enabled")),
    ),
    Change(
        "row level security forced",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
        "ALTER TABLE t NO FORCE ROW LEVEL SECURITY",
        _fact("table public.t", row_level_security_of_owner=(None, "forced")),
    ),
    Change(
        "replica identity",
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "ALTER TABLE t REPLICA IDENTITY DEFAULT",
        _fact("table public.t", replica_identity=(None, "full")),
    ),
    Change(
        "replica identity by an index",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey",
        "ALTER TABLE t REPLICA IDENTITY DEFAULT",
        _fact("table public.t", replica_identity=(None, "using an index"))
        | _fact("index public.t_pkey", replica_identity=(None, "yes")),
    ),
    Change(
        "the order of the rows",
        "ALTER TABLE t CLUSTER ON t_pkey",
        "ALTER TABLE t SET WITHOUT CLUSTER",
        _fact("index public.t_pkey", clustered=(None, "yes")),
    ),
    Change(
        "the access method",
        "ALTER TABLE t SET ACCESS METHOD heap_too",
        "ALTER TABLE t SET ACCESS METHOD heap",
        _fact("table public.t", access_method=(None, "heap_too")),
        "CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler",
    ),
    Change(
        "the owner",
        "ALTER TABLE t OWNER TO pg_monitor",
        "ALTER TABLE t OWNER TO CURRENT_USER",
        _fact("table public.t", owner=("postgres", "pg_monitor")),
    ),
    Change(
        "a parent",
        "ALTER TABLE t INHERIT parent",
        "ALTER TABLE t NO INHERIT parent",
        _fact("table public.t", inherits=(None, "public.parent"))
        | _fact("column public.t.id", inherited=(None, "and its own"))
        | _fact("column public.t.name", inherited=(None, "and its own"))
        | _fact("column public.t.n", inherited=(None, "and its own")),
        PARENT,
    ),
    Change(
        "a partition",
        "ALTER TABLE parted ATTACH PARTITION part FOR VALUES FROM (1) TO (9)",
        "ALTER TABLE parted DETACH PARTITION part",
        _fact(
            "table public.part",
            partition_of=(None, "public.parted"),
            partition_bound=(None, "FOR VALUES FROM (1) TO (9)"),
        )
        | _fact("column public.part.id", inherited=(None, "yes")),
        PARTED,
    ),
    Change(
        "how a table is partitioned",
        "DROP TABLE parted; CREATE TABLE parted (id integer) PARTITION BY HASH (id)",
        "DROP TABLE parted; CREATE TABLE parted (id integer) PARTITION BY RANGE (id)",
        _fact("table public.parted", partitioned_by=("RANGE (id)", "HASH (id)")),
        PARTED,
    ),
    Change(
        "the bounds of a partition",
        "DROP TABLE one; CREATE TABLE one PARTITION OF parted FOR VALUES FROM (1) TO (3)",
        "DROP TABLE one; CREATE TABLE one PARTITION OF parted FOR VALUES FROM (1) TO (2)",
        _fact(
            "table public.one",
            partition_bound=("FOR VALUES FROM (1) TO (2)", "FOR VALUES FROM (1) TO (3)"),
        ),
        PARTED + "CREATE TABLE one PARTITION OF parted FOR VALUES FROM (1) TO (2)",
    ),
    Change(
        "the type of a table",
        "ALTER TABLE typed NOT OF",
        "ALTER TABLE typed OF pair",
        _fact("table public.typed", of_type=("public.pair", None)),
        "CREATE TYPE pair AS (a integer, b text); CREATE TABLE typed OF pair",
    ),
    Change(
        "another name",
        "ALTER TABLE u RENAME TO v",
        "ALTER TABLE v RENAME TO u",
        {"table public.u": GONE, "table public.v": NEW},
        "CREATE TABLE u (id integer)",
    ),
    Change(
        "another schema",
        "ALTER TABLE u SET SCHEMA app",
        "ALTER TABLE app.u SET SCHEMA public",
        {"table public.u": GONE, "table app.u": NEW},
        "CREATE SCHEMA app; CREATE TABLE u (id integer)",
    ),
]

COLUMN = "column public.t.name"
CHANGES_OF_COLUMNS = [
    Change(
        "a column", "ALTER TABLE t ADD a date", "ALTER TABLE t DROP a", {"column public.t.a": NEW}
    ),
    Change(
        "the name of a column",
        "ALTER TABLE t RENAME name TO title",
        "ALTER TABLE t RENAME title TO name",
        {"column public.t.name": GONE, "column public.t.title": NEW},
    ),
    Change(
        "a type",
        "ALTER TABLE t ALTER n TYPE bigint",
        "ALTER TABLE t ALTER n TYPE integer",
        _fact("column public.t.n", type=("integer", "bigint")),
    ),
    Change(
        "the length of a type",
        "ALTER TABLE u ALTER a TYPE varchar(20)",
        "ALTER TABLE u ALTER a TYPE varchar(10)",
        _fact("column public.u.a", type=("character varying(10)", "character varying(20)")),
        "CREATE TABLE u (a varchar(10))",
    ),
    Change(
        "not null",
        "ALTER TABLE t ALTER name SET NOT NULL",
        "ALTER TABLE t ALTER name DROP NOT NULL",
        _fact(COLUMN, not_null=(None, "yes")),
    ),
    Change(
        "not null, unchecked",
        "ALTER TABLE t ADD CONSTRAINT c NOT NULL name NOT VALID",
        "ALTER TABLE t ALTER name DROP NOT NULL",
        _fact(COLUMN, not_null=(None, "not valid")),
    ),
    Change(
        "not null, checked later",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c NOT NULL name NOT VALID",
        _fact(COLUMN, not_null=("not valid", "yes")),
        "ALTER TABLE t ADD CONSTRAINT c NOT NULL name NOT VALID",
    ),
    Change(
        "not null, here only",
        "ALTER TABLE t ADD CONSTRAINT c NOT NULL name NO INHERIT",
        "ALTER TABLE t DROP CONSTRAINT c",
        _fact(COLUMN, not_null=(None, "no inherit")),
    ),
    Change(
        "a default",
        "ALTER TABLE t ALTER name SET DEFAULT 'none'",
        "ALTER TABLE t ALTER name DROP DEFAULT",
        _fact(COLUMN, default=(None, "'none'::text")),
    ),
    Change(
        "an identity",
        "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE t ALTER id DROP IDENTITY",
        _fact("column public.t.id", identity=(None, "always")) | {"sequence public.t_id_seq": NEW},
    ),
    Change(
        "the kind of an identity",
        "ALTER TABLE u ALTER id SET GENERATED ALWAYS",
        "ALTER TABLE u ALTER id SET GENERATED BY DEFAULT",
        _fact("column public.u.id", identity=("by default", "always")),
        "CREATE TABLE u (id integer GENERATED BY DEFAULT AS IDENTITY)",
    ),
    Change(
        "the step of an identity",
        "ALTER TABLE u ALTER id SET INCREMENT 5",
        "ALTER TABLE u ALTER id SET INCREMENT 1",
        _fact("sequence public.u_id_seq", increment=("1", "5")),
        "CREATE TABLE u (id integer GENERATED ALWAYS AS IDENTITY)",
    ),
    Change(
        "an expression of a generated column",
        "ALTER TABLE u ALTER b SET EXPRESSION AS (a * 3)",
        "ALTER TABLE u ALTER b SET EXPRESSION AS (a * 2)",
        _fact("column public.u.b", generated=("stored (a * 2)", "stored (a * 3)")),
        "CREATE TABLE u (a integer, b integer GENERATED ALWAYS AS (a * 2) STORED)",
    ),
    Change(
        "whether a generated column is stored",
        "DROP TABLE u; CREATE TABLE u (a integer, b integer GENERATED ALWAYS AS (a) VIRTUAL)",
        "DROP TABLE u; CREATE TABLE u (a integer, b integer GENERATED ALWAYS AS (a) STORED)",
        _fact("column public.u.b", generated=("stored a", "virtual a")),
        "CREATE TABLE u (a integer, b integer GENERATED ALWAYS AS (a) STORED)",
    ),
    Change(
        "a generated column that becomes a common one",
        "ALTER TABLE u ALTER b DROP EXPRESSION",
        "DROP TABLE u; CREATE TABLE u (a integer, b integer GENERATED ALWAYS AS (a) STORED)",
        _fact("column public.u.b", generated=("stored a", None)),
        "CREATE TABLE u (a integer, b integer GENERATED ALWAYS AS (a) STORED)",
    ),
    Change(
        "a collation",
        'ALTER TABLE t ALTER name TYPE text COLLATE "C"',
        'ALTER TABLE t ALTER name TYPE text COLLATE "default"',
        _fact(COLUMN, collation=(None, '"C"')),
    ),
    Change(
        "how values are stored",
        "ALTER TABLE t ALTER name SET STORAGE EXTERNAL",
        "ALTER TABLE t ALTER name SET STORAGE DEFAULT",
        _fact(COLUMN, storage=(None, "external")),
    ),
    Change(
        "how values are compressed",
        "ALTER TABLE t ALTER name SET COMPRESSION pglz",
        "ALTER TABLE t ALTER name SET COMPRESSION default",
        _fact(COLUMN, compression=(None, "pglz")),
    ),
    Change(
        "a statistics target",
        "ALTER TABLE t ALTER name SET STATISTICS 500",
        "ALTER TABLE t ALTER name SET STATISTICS -1",
        _fact(COLUMN, statistics_target=(None, "500")),
    ),
    Change(
        "options of a column",
        "ALTER TABLE t ALTER name SET (n_distinct = 7)",
        "ALTER TABLE t ALTER name RESET (n_distinct)",
        _fact(COLUMN, options=(None, "n_distinct=7")),
    ),
]

CHECK = "constraint public.t.c"
REFERRING = """
    CREATE TABLE r (t integer);
    ALTER TABLE r ADD CONSTRAINT c FOREIGN KEY (t) REFERENCES t;
"""
REFERS = "FOREIGN KEY (t) REFERENCES public.t(id)"
CHANGES_OF_CONSTRAINTS = [
    Change(
        "a check",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0)",
        "ALTER TABLE t DROP CONSTRAINT c",
        {CHECK: NEW},
    ),
    Change(
        "what is checked",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (n > 1)",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (n > 0)",
        _fact(CHECK, definition=("CHECK ((n > 0))", "CHECK ((n > 1))")),
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0)",
    ),
    Change(
        "a check of the rows that were there",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (n > 0) NOT VALID",
        _fact(CHECK, validated=("no", None)),
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0) NOT VALID",
    ),
    Change(
        "a check that is not inherited",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (n > 0) NO INHERIT",
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (n > 0)",
        _fact(CHECK, definition=("CHECK ((n > 0))", "CHECK ((n > 0)) NO INHERIT")),
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0)",
    ),
    Change(
        "the name of a constraint",
        "ALTER TABLE t RENAME CONSTRAINT c TO d",
        "ALTER TABLE t RENAME CONSTRAINT d TO c",
        {CHECK: GONE, "constraint public.t.d": NEW},
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0)",
    ),
    Change(
        "a primary key",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
        {"constraint public.t.t_pkey": GONE},
    ),
    Change(
        "a unique constraint",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE (name)",
        "ALTER TABLE t DROP CONSTRAINT c",
        {CHECK: NEW},
    ),
    Change(
        "a unique constraint in the place of a unique index",
        "ALTER TABLE t ADD CONSTRAINT i UNIQUE USING INDEX i",
        "ALTER TABLE t DROP CONSTRAINT i; CREATE UNIQUE INDEX i ON t (n)",
        _fact("index public.i", of_constraint=(None, "public.t.i"))
        | {"constraint public.t.i": NEW},
        "CREATE UNIQUE INDEX i ON t (n)",
    ),
    Change(
        "an exclusion",
        "ALTER TABLE t ADD CONSTRAINT c EXCLUDE USING gist (int4range(n, n + 1) WITH &&)",
        "ALTER TABLE t DROP CONSTRAINT c",
        {CHECK: NEW},
    ),
    Change(
        "a foreign key",
        "ALTER TABLE r DROP CONSTRAINT c",
        "ALTER TABLE r ADD CONSTRAINT c FOREIGN KEY (t) REFERENCES t",
        {"constraint public.r.c": GONE},
        REFERRING,
    ),
    Change(
        "what a foreign key does",
        "ALTER TABLE r DROP CONSTRAINT c, ADD CONSTRAINT c FOREIGN KEY (t) REFERENCES t"
        " ON DELETE CASCADE",
        "ALTER TABLE r DROP CONSTRAINT c, ADD CONSTRAINT c FOREIGN KEY (t) REFERENCES t",
        _fact("constraint public.r.c", definition=(REFERS, f"{REFERS} ON DELETE CASCADE")),
        REFERRING,
    ),
    Change(
        "when a foreign key is checked",
        "ALTER TABLE r ALTER CONSTRAINT c DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE r ALTER CONSTRAINT c NOT DEFERRABLE",
        _fact(
            "constraint public.r.c", definition=(REFERS, f"{REFERS} DEFERRABLE INITIALLY DEFERRED")
        ),
        REFERRING,
    ),
    Change(
        "whether a foreign key is enforced",
        "ALTER TABLE r ALTER CONSTRAINT c NOT ENFORCED",
        "ALTER TABLE r ALTER CONSTRAINT c ENFORCED",
        _fact(
            "constraint public.r.c",
            definition=(REFERS, f"{REFERS} NOT ENFORCED"),
            validated=(None, "no"),
        ),
        REFERRING,
    ),
    Change(
        "a foreign key that is switched off",
        "ALTER TABLE r DISABLE TRIGGER ALL",
        "ALTER TABLE r ENABLE TRIGGER ALL",
        _fact("constraint public.r.c", triggers=(None, "public.r: disabled")),
        REFERRING,
    ),
    Change(
        "a foreign key to a partitioned table",
        "ALTER TABLE r ADD CONSTRAINT c FOREIGN KEY (t) REFERENCES p",
        "ALTER TABLE r DROP CONSTRAINT c",
        {"constraint public.r.c": NEW},
        "CREATE TABLE p (id integer PRIMARY KEY) PARTITION BY HASH (id);"
        "CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "CREATE TABLE r (t integer)",
    ),
    Change(
        "a constraint that is inherited",
        "ALTER TABLE parent ADD CONSTRAINT c CHECK (n > 0)",
        "ALTER TABLE parent DROP CONSTRAINT c",
        {"constraint public.parent.c": NEW} | _fact(CHECK, inherited=(None, "and its own")),
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0);" + PARENT + "ALTER TABLE t INHERIT parent",
    ),
]

CREATES_I = "CREATE INDEX i ON public.t USING btree (name)"
CHANGES_OF_INDEXES = [
    Change(
        "an index", "CREATE INDEX ON t (n)", "DROP INDEX t_n_idx", {"index public.t_n_idx": NEW}
    ),
    Change(
        "what an index is on",
        "DROP INDEX i; CREATE INDEX i ON t (lower(name)) WHERE n > 3",
        "DROP INDEX i; CREATE INDEX i ON t (name)",
        _fact(
            "index public.i",
            definition=(
                CREATES_I,
                "CREATE INDEX i ON public.t USING btree (lower(name)) WHERE (n > 3)",
            ),
        ),
        "CREATE INDEX i ON t (name)",
    ),
    Change(
        "storage parameters of an index",
        "ALTER INDEX i SET (fillfactor = 50)",
        "ALTER INDEX i RESET (fillfactor)",
        _fact("index public.i", definition=(CREATES_I, f"{CREATES_I} WITH (fillfactor='50')")),
        "CREATE INDEX i ON t (name)",
    ),
    Change(
        "an invalid index",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass",
        "REINDEX INDEX i",
        _fact("index public.i", valid=(None, "no")),
        "CREATE INDEX i ON t (name)",
    ),
    Change(
        "an index that is not ready",
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'i'::regclass",
        "UPDATE pg_index SET indisready = true WHERE indexrelid = 'i'::regclass",
        _fact("index public.i", ready=(None, "no")),
        "CREATE INDEX i ON t (name)",
    ),
    Change(
        "a statistics target of an index",
        "ALTER INDEX i ALTER 1 SET STATISTICS 50",
        "ALTER INDEX i ALTER 1 SET STATISTICS -1",
        _fact("index public.i", statistics_targets=(None, "1: 50")),
        "CREATE INDEX i ON t (lower(name))",
    ),
    Change(
        "the index of a partition",
        "ALTER INDEX i ATTACH PARTITION i0",
        "DROP INDEX i; CREATE INDEX i ON ONLY p (id); CREATE INDEX i0 ON p0 (id)",
        _fact("index public.i", valid=("no", None))
        | _fact("index public.i0", partition_of=(None, "public.i")),
        "CREATE TABLE p (id integer) PARTITION BY HASH (id);"
        "CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "CREATE INDEX i ON ONLY p (id); CREATE INDEX i0 ON p0 (id)",
    ),
    Change(
        "an index on a partitioned table",
        "CREATE INDEX i ON p (id)",
        "DROP INDEX i",
        {"index public.i": NEW},
        "CREATE TABLE p (id integer) PARTITION BY HASH (id);"
        "CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    ),
]

S = "sequence public.s"
CHANGES_OF_SEQUENCES = [
    Change("a sequence", "CREATE SEQUENCE s", "DROP SEQUENCE s", {S: NEW}),
    Change(
        "all of a sequence",
        "ALTER SEQUENCE s INCREMENT 2 MINVALUE 0 MAXVALUE 9 START 3 CACHE 4 CYCLE",
        "ALTER SEQUENCE s INCREMENT 1 NO MINVALUE NO MAXVALUE START 1 CACHE 1 NO CYCLE",
        _fact(
            S,
            increment=("1", "2"),
            minimum=("1", "0"),
            maximum=("9223372036854775807", "9"),
            start=("1", "3"),
            cache=(None, "4"),
            cycle=(None, "yes"),
        ),
        "CREATE SEQUENCE s",
    ),
    Change(
        "the type of a sequence",
        "ALTER SEQUENCE s AS integer",
        "ALTER SEQUENCE s AS bigint",
        _fact(S, type=("bigint", "integer"), maximum=("9223372036854775807", "2147483647")),
        "CREATE SEQUENCE s",
    ),
    Change(
        "whose a sequence is",
        "ALTER SEQUENCE s OWNED BY t.n",
        "ALTER SEQUENCE s OWNED BY NONE",
        _fact(S, owned_by=(None, "public.t.n"), part_of=(None, "public.t")),
        "CREATE SEQUENCE s",
    ),
    Change(
        "a sequence that is unlogged",
        "ALTER SEQUENCE s SET UNLOGGED",
        "ALTER SEQUENCE s SET LOGGED",
        _fact(S, unlogged=(None, "yes")),
        "CREATE SEQUENCE s",
    ),
]

V = "view public.v"
CHANGES_OF_VIEWS = [
    Change("a view", "CREATE VIEW v AS SELECT id FROM t", "DROP VIEW v", {V: NEW}),
    Change(
        "what a view selects",
        "CREATE OR REPLACE VIEW v AS SELECT id FROM t WHERE n > 3",
        "CREATE OR REPLACE VIEW v AS SELECT id FROM t",
        _fact(
            V,
            definition=(
                " SELECT id\n   FROM public.t;",
                " SELECT id\n   FROM public.t\n  WHERE (n > 3);",
            ),
        ),
        "CREATE VIEW v AS SELECT id FROM t",
    ),
    Change(
        "options of a view",
        "ALTER VIEW v SET (security_invoker = true, check_option = local)",
        "ALTER VIEW v RESET (security_invoker, check_option)",
        _fact(V, options=(None, "check_option=local, security_invoker=true")),
        "CREATE VIEW v AS SELECT id FROM t",
    ),
    Change(
        "a default of a view",
        "ALTER VIEW v ALTER id SET DEFAULT 3",
        "ALTER VIEW v ALTER id DROP DEFAULT",
        _fact("column public.v.id", default=(None, "3")),
        "CREATE VIEW v AS SELECT id FROM t",
    ),
    Change(
        "a view in the place of a table",
        "DROP TABLE u; CREATE VIEW u AS SELECT id FROM t",
        "DROP VIEW u; CREATE TABLE u (id integer)",
        {"table public.u": GONE, "view public.u": NEW},
        "CREATE TABLE u (id integer)",
    ),
    Change(
        "a materialized view",
        "CREATE MATERIALIZED VIEW v AS SELECT id FROM t; CREATE UNIQUE INDEX ON v (id)",
        "DROP MATERIALIZED VIEW v",
        {"materialized view public.v": NEW},
    ),
    Change(
        "a rule",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "DROP RULE r ON t",
        {"rule public.t.r": NEW},
    ),
    Change(
        "a rule that is switched off",
        "ALTER TABLE t DISABLE RULE r",
        "ALTER TABLE t ENABLE RULE r",
        _fact("rule public.t.r", enabled=(None, "no")),
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
    ),
    Change(
        "a policy",
        "CREATE POLICY p ON t USING (n > 3)",
        "DROP POLICY p ON t",
        {"policy public.t.p": NEW},
    ),
    Change(
        "all of a policy",
        "ALTER POLICY p ON t TO pg_monitor, pg_signal_backend USING (n > 4) WITH CHECK (n > 5)",
        "DROP POLICY p ON t; CREATE POLICY p ON t USING (n > 3)",
        _fact(
            "policy public.t.p",
            to=(None, "pg_monitor, pg_signal_backend"),
            using=("(n > 3)", "(n > 4)"),
            with_check=(None, "(n > 5)"),
        ),
        "CREATE POLICY p ON t USING (n > 3)",
    ),
    Change(
        "the kind of a policy",
        "DROP POLICY p ON t; CREATE POLICY p ON t AS RESTRICTIVE FOR DELETE USING (n > 3)",
        "DROP POLICY p ON t; CREATE POLICY p ON t USING (n > 3)",
        {"policy public.t.p": {"restrictive": (None, "yes"), "for": (None, "DELETE")}},
        "CREATE POLICY p ON t USING (n > 3)",
    ),
]

CREATES_T = "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
G = "trigger public.t.g"
FIRES = "CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()"
CREATES_F = "CREATE OR REPLACE FUNCTION g(a integer) RETURNS integer LANGUAGE sql {} AS 'SELECT 1';"
GF = "function public.g(integer)"
CHANGES_OF_FUNCTIONS = [
    Change("a trigger", CREATES_T, "DROP TRIGGER g ON t", {G: NEW}),
    Change(
        "when a trigger fires",
        CREATES_T.replace("CREATE", "CREATE OR REPLACE").replace("BEFORE", "AFTER"),
        CREATES_T.replace("CREATE", "CREATE OR REPLACE"),
        _fact(
            G,
            definition=(
                FIRES,
                FIRES.replace("BEFORE", "AFTER"),
            ),
        ),
        CREATES_T,
    ),
    Change(
        "a trigger that is switched off",
        "ALTER TABLE t DISABLE TRIGGER g",
        "ALTER TABLE t ENABLE TRIGGER g",
        _fact(G, enabled=(None, "no")),
        CREATES_T,
    ),
    Change(
        "a function",
        CREATES_F.format(""),
        "DROP FUNCTION g(integer)",
        {GF: NEW},
        "CREATE FUNCTION g(a text) RETURNS text LANGUAGE sql AS 'SELECT a'",
    ),
    Change(
        "the body of a function",
        CREATES_F.format("").replace("SELECT 1", "SELECT  1"),
        CREATES_F.format(""),
        _fact(GF, body=("SELECT 1", "SELECT  1")),
        CREATES_F.format(""),
    ),
    Change(
        "all that can be said of a function",
        CREATES_F.format(
            "IMMUTABLE STRICT LEAKPROOF SECURITY DEFINER PARALLEL SAFE COST 7 SET work_mem = '9MB'"
            " SET search_path = public"
        ),
        CREATES_F.format(""),
        _fact(
            GF,
            volatility=(None, "immutable"),
            strict=(None, "yes"),
            leakproof=(None, "yes"),
            security_definer=(None, "yes"),
            parallel=(None, "safe"),
            cost=(None, "7"),
            settings=(None, "search_path=public, work_mem=9MB"),
        ),
        CREATES_F.format(""),
    ),
    Change(
        "a default of an argument",
        CREATES_F.format("").replace("a integer", "a integer DEFAULT 3"),
        "DROP FUNCTION g(integer);" + CREATES_F.format(""),
        _fact(GF, arguments=("a integer", "a integer DEFAULT 3")),
        CREATES_F.format(""),
    ),
    Change(
        "what a function returns",
        "DROP FUNCTION g(integer);"
        "CREATE FUNCTION g(a integer) RETURNS SETOF integer LANGUAGE sql ROWS 7 AS 'SELECT 1';",
        "DROP FUNCTION g(integer);" + CREATES_F.format(""),
        _fact(GF, returns=("integer", "SETOF integer"), rows=(None, "7")),
        CREATES_F.format(""),
    ),
    Change(
        "the language of a function",
        "CREATE OR REPLACE FUNCTION g(a integer) RETURNS integer LANGUAGE plpgsql AS 'SELECT 1';",
        CREATES_F.format(""),
        _fact(GF, language=("sql", "plpgsql")),
        CREATES_F.format("") + "SET check_function_bodies = off",
    ),
    Change(
        "a procedure",
        "CREATE PROCEDURE p(a integer) LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END",
        "DROP PROCEDURE p",
        {"procedure public.p(integer)": NEW},
    ),
    Change(
        "an aggregate",
        "CREATE AGGREGATE a(integer) (sfunc = int4pl, stype = integer)",
        "DROP AGGREGATE a(integer)",
        {"aggregate public.a(integer)": NEW},
    ),
    Change(
        "how an aggregate begins",
        "CREATE OR REPLACE AGGREGATE a(integer) (sfunc = int4pl, stype = integer, initcond = 5)",
        "CREATE OR REPLACE AGGREGATE a(integer) (sfunc = int4pl, stype = integer)",
        _fact("aggregate public.a(integer)", initial_state=(None, "5")),
        "CREATE AGGREGATE a(integer) (sfunc = int4pl, stype = integer)",
    ),
    Change(
        "an event trigger",
        "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION e()",
        "DROP EVENT TRIGGER e",
        {"event trigger e": NEW},
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    ),
    Change(
        "an event trigger that is switched off",
        "ALTER EVENT TRIGGER e DISABLE",
        "ALTER EVENT TRIGGER e ENABLE",
        _fact("event trigger e", definition=("sql_drop public.e", "sql_drop public.e disabled")),
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION e()",
    ),
]

CREATES_MOOD = "CREATE TYPE mood AS ENUM ('sad', 'happy')"
CREATES_D = "CREATE DOMAIN d AS integer"
CHANGES_OF_TYPES = [
    Change("a schema", "CREATE SCHEMA app", "DROP SCHEMA app", {"schema app": NEW}),
    Change("an enum", CREATES_MOOD, "DROP TYPE mood", {"enum public.mood": NEW}),
    Change(
        "a value of an enum",
        "ALTER TYPE mood ADD VALUE 'so-so' BEFORE 'happy'",
        f"DROP TYPE mood; {CREATES_MOOD}",
        _fact("enum public.mood", labels=("'sad', 'happy'", "'sad', 'so-so', 'happy'")),
        CREATES_MOOD,
    ),
    Change(
        "the name of a value",
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
        "ALTER TYPE mood RENAME VALUE 'blue' TO 'sad'",
        _fact("enum public.mood", labels=("'sad', 'happy'", "'blue', 'happy'")),
        CREATES_MOOD,
    ),
    Change(
        "the order of values",
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('happy', 'sad')",
        f"DROP TYPE mood; {CREATES_MOOD}",
        _fact("enum public.mood", labels=("'sad', 'happy'", "'happy', 'sad'")),
        CREATES_MOOD,
    ),
    Change(
        "a composite type",
        "CREATE TYPE p AS (a integer)",
        "DROP TYPE p",
        {"composite type public.p": NEW},
    ),
    Change(
        "an attribute",
        "ALTER TYPE p ADD ATTRIBUTE b text",
        "ALTER TYPE p DROP ATTRIBUTE b",
        {"attribute public.p.b": NEW},
        "CREATE TYPE p AS (a integer)",
    ),
    Change(
        "the type of an attribute",
        "ALTER TYPE p ALTER ATTRIBUTE a TYPE bigint",
        "ALTER TYPE p ALTER ATTRIBUTE a TYPE integer",
        _fact("attribute public.p.a", type=("integer", "bigint")),
        "CREATE TYPE p AS (a integer)",
    ),
    Change("a domain", CREATES_D + " CHECK (VALUE > 0)", "DROP DOMAIN d", {"domain public.d": NEW}),
    Change(
        "all of a domain",
        "ALTER DOMAIN d SET DEFAULT 3; ALTER DOMAIN d SET NOT NULL",
        "ALTER DOMAIN d DROP DEFAULT; ALTER DOMAIN d DROP NOT NULL",
        {"domain public.d": {"default": (None, "3"), "not null": (None, "yes")}},
        CREATES_D,
    ),
    Change(
        "the type of a domain",
        "DROP DOMAIN d; CREATE DOMAIN d AS varchar(3)",
        "DROP DOMAIN d; CREATE DOMAIN d AS integer",
        _fact("domain public.d", type=("integer", "character varying(3)")),
        CREATES_D,
    ),
    Change(
        "a check of a domain",
        "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)",
        "ALTER DOMAIN d DROP CONSTRAINT c",
        {"constraint public.d.c": NEW},
        CREATES_D,
    ),
    Change(
        "whether a check of a domain was validated",
        "ALTER DOMAIN d VALIDATE CONSTRAINT c",
        "ALTER DOMAIN d DROP CONSTRAINT c;"
        "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
        _fact("constraint public.d.c", validated=("no", None)),
        f"{CREATES_D}; ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
    ),
    Change(
        "a range",
        "CREATE TYPE r AS RANGE (subtype = float8)",
        "DROP TYPE r",
        {"range type public.r": NEW},
    ),
    Change(
        "all of a range",
        "DROP TYPE r; CREATE TYPE r AS RANGE (subtype = text, collation = 'C', "
        "multirange_type_name = rs)",
        "DROP TYPE r; CREATE TYPE r AS RANGE (subtype = float8)",
        {
            "range type public.r": {
                "subtype": ("double precision", "text"),
                "operator class": ("pg_catalog.float8_ops", "pg_catalog.text_ops"),
                "range collation": (None, '"C"'),
                "multirange": ("public.r_multirange", "public.rs"),
            }
        },
        "CREATE TYPE r AS RANGE (subtype = float8)",
    ),
    Change("a type to come", "CREATE TYPE b", "DROP TYPE b", {"shell type public.b": NEW}),
    Change(
        "a collation of our own",
        "CREATE COLLATION c (locale = 'POSIX')",
        "DROP COLLATION c",
        {"collation public.c": NEW},
    ),
    Change(
        "an operator",
        "CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq)",
        "DROP OPERATOR === (integer, integer)",
        {"operator public.===(integer,integer)": NEW},
    ),
    Change(
        "an operator class",
        "CREATE OPERATOR CLASS c FOR TYPE integer USING hash AS OPERATOR 1 =",
        "DROP OPERATOR FAMILY c USING hash",
        {
            "operator class public.c USING hash": NEW,
            "operator family public.c USING hash": NEW,
        },
    ),
    Change(
        "a member of an operator family",
        "ALTER OPERATOR FAMILY o USING btree ADD OPERATOR 1 < (integer, integer)",
        "ALTER OPERATOR FAMILY o USING btree DROP OPERATOR 1 (integer, integer)",
        _fact("operator family public.o USING btree", definition=(None, "1 <(integer,integer)")),
        "CREATE OPERATOR FAMILY o USING btree",
    ),
    Change(
        "a cast",
        "CREATE CAST (integer AS mood) WITH INOUT AS IMPLICIT",
        "DROP CAST (integer AS mood)",
        {"cast (integer AS public.mood)": NEW},
        CREATES_MOOD,
    ),
    Change(
        "a word of a text search",
        "ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH english_stem, simple",
        "ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH simple",
        _fact(
            "text search configuration public.c",
            definition=(
                'pg_catalog "default" word simple',
                'pg_catalog "default" word english_stem, word simple',
            ),
        ),
        "CREATE TEXT SEARCH CONFIGURATION c (PARSER = default);"
        "ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR word WITH simple",
    ),
    Change(
        "an option of a dictionary",
        "ALTER TEXT SEARCH DICTIONARY d (Accept = false)",
        "ALTER TEXT SEARCH DICTIONARY d (Accept)",
        _fact(
            "text search dictionary public.d",
            definition=("pg_catalog simple", "pg_catalog simple accept = 'false'"),
        ),
        "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
    ),
    Change(
        "extended statistics",
        "CREATE STATISTICS s ON name, n FROM t",
        "DROP STATISTICS s",
        {"statistics public.s": NEW},
    ),
    Change(
        "the target of extended statistics",
        "ALTER STATISTICS s SET STATISTICS 9",
        "ALTER STATISTICS s SET STATISTICS -1",
        _fact("statistics public.s", statistics_target=(None, "9")),
        "CREATE STATISTICS s ON name, n FROM t",
    ),
]

FOREIGN = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
FAR = "CREATE FOREIGN TABLE far (id integer) SERVER s;"
CHANGES_OF_OTHERS = [
    Change(
        "a publication",
        "CREATE PUBLICATION p FOR TABLE t",
        "DROP PUBLICATION p",
        {"publication p": NEW, "publication relation public.t in publication p": NEW},
    ),
    Change(
        "a table of a publication",
        "ALTER PUBLICATION p SET TABLE t (id, n) WHERE (id > 3)",
        "ALTER PUBLICATION p SET TABLE t",
        _fact(
            "publication relation public.t in publication p",
            definition=(None, "id, n where (id > 3)"),
        ),
        "CREATE PUBLICATION p FOR TABLE t",
    ),
    Change(
        "a schema of a publication",
        "ALTER PUBLICATION p ADD TABLES IN SCHEMA public",
        "ALTER PUBLICATION p DROP TABLES IN SCHEMA public",
        {"publication namespace public in publication p": NEW},
        "CREATE PUBLICATION p",
    ),
    Change(
        "what a publication publishes",
        "ALTER PUBLICATION p SET (publish = 'delete', publish_via_partition_root = true)",
        "ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate',"
        " publish_via_partition_root = false)",
        _fact(
            "publication p",
            publishes=("insert, update, delete, truncate", "delete"),
            via_root=(None, "yes"),
        ),
        "CREATE PUBLICATION p",
    ),
    Change(
        "a foreign server",
        FOREIGN,
        "DROP FOREIGN DATA WRAPPER w CASCADE",
        {"foreign-data wrapper w": NEW, "server s": NEW},
    ),
    Change(
        "an option of a foreign server",
        "ALTER SERVER s OPTIONS (ADD password 'secret')",
        "ALTER SERVER s OPTIONS (DROP password)",
        _fact("server s", definition=("w NULL NULL", "w NULL NULL password")),
        FOREIGN,
    ),
    Change(
        "a user mapping",
        "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'secret')",
        "DROP USER MAPPING FOR PUBLIC SERVER s",
        {"user mapping public on server s": NEW},
        FOREIGN,
    ),
    Change(
        "a foreign table", FAR, "DROP FOREIGN TABLE far", {"foreign table public.far": NEW}, FOREIGN
    ),
    Change(
        "options of a foreign table",
        "ALTER FOREIGN TABLE far OPTIONS (ADD table_name 'T'), ALTER id OPTIONS (ADD name 'I')",
        "ALTER FOREIGN TABLE far OPTIONS (DROP table_name), ALTER id OPTIONS (DROP name)",
        _fact("foreign table public.far", foreign_options=(None, "table_name=T"))
        | _fact("column public.far.id", foreign_options=(None, "name=I")),
        FOREIGN + FAR,
    ),
    Change(
        "an extension",
        "CREATE EXTENSION vector",
        "DROP EXTENSION vector",
        {"extension vector": NEW},
    ),
    Change(
        "the schema of an extension",
        "ALTER EXTENSION vector SET SCHEMA app",
        "ALTER EXTENSION vector SET SCHEMA public",
        _fact("extension vector", schema=("public", "app")),
        "CREATE SCHEMA app; CREATE EXTENSION vector",
    ),
    Change(
        "a function that goes with an extension",
        "ALTER FUNCTION f() DEPENDS ON EXTENSION plpgsql",
        "ALTER FUNCTION f() NO DEPENDS ON EXTENSION plpgsql",
        _fact("function public.f()", depends_on_extensions=(None, "plpgsql")),
    ),
    Change(
        "a language",
        "CREATE LANGUAGE l HANDLER plpgsql_call_handler",
        "DROP LANGUAGE l",
        {"language l": NEW},
    ),
    Change(
        "a conversion",
        "CREATE CONVERSION c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "DROP CONVERSION c",
        {"conversion public.c": NEW},
    ),
]


def _grants(
    kind_and_name: str, role: str, before: str | None, after: str | None
) -> dict[str, object]:
    return {kind_and_name: {f"grants to {role}": (before, after)}}


ALL = "DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"
CHANGES_OF_GRANTS = [
    Change(
        "a grant on a table",
        "GRANT SELECT, INSERT ON t TO pg_monitor",
        "REVOKE ALL ON t FROM pg_monitor",
        _grants("table public.t", "pg_monitor", None, "INSERT, SELECT"),
    ),
    Change(
        "a grant to all",
        "GRANT SELECT ON t TO PUBLIC",
        "REVOKE SELECT ON t FROM PUBLIC",
        _grants("table public.t", "PUBLIC", None, "SELECT"),
    ),
    Change(
        "a grant that can be passed on",
        "GRANT SELECT ON t TO pg_monitor WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON t FROM pg_monitor",
        _grants("table public.t", "pg_monitor", "SELECT", "SELECT WITH GRANT OPTION"),
        "GRANT SELECT ON t TO pg_monitor",
    ),
    Change(
        "what an owner may do",
        "REVOKE DELETE ON t FROM CURRENT_USER",
        "GRANT DELETE ON t TO CURRENT_USER",
        _grants("table public.t", "OWNER", None, ALL.removeprefix("DELETE, ")),
    ),
    Change(
        "an owner who may do nothing",
        "REVOKE ALL ON t FROM CURRENT_USER",
        "GRANT ALL ON t TO CURRENT_USER",
        _grants("table public.t", "OWNER", None, "none"),
    ),
    Change(
        "a grant on a column",
        "GRANT UPDATE (name) ON t TO pg_monitor",
        "REVOKE UPDATE (name) ON t FROM pg_monitor",
        _grants("column public.t.name", "pg_monitor", None, "UPDATE"),
    ),
    Change(
        "a grant on a schema",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        _grants("schema public", "PUBLIC", "USAGE", "CREATE, USAGE"),
    ),
    Change(
        "a grant on a function",
        "GRANT EXECUTE ON FUNCTION f() TO pg_monitor",
        "REVOKE EXECUTE ON FUNCTION f() FROM pg_monitor",
        _grants("function public.f()", "pg_monitor", None, "EXECUTE"),
    ),
    Change(
        "what all may do by default",
        "REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION f() TO PUBLIC",
        _grants("function public.f()", "PUBLIC", None, "none"),
    ),
    Change(
        "a grant on a sequence",
        "GRANT USAGE ON SEQUENCE s TO pg_monitor",
        "REVOKE USAGE ON SEQUENCE s FROM pg_monitor",
        _grants(S, "pg_monitor", None, "USAGE"),
        "CREATE SEQUENCE s",
    ),
    Change(
        "a grant on a type",
        "REVOKE USAGE ON TYPE mood FROM PUBLIC",
        "GRANT USAGE ON TYPE mood TO PUBLIC",
        _grants("enum public.mood", "PUBLIC", None, "none"),
        CREATES_MOOD,
    ),
    Change(
        "a grant on a foreign server",
        "GRANT USAGE ON FOREIGN SERVER s TO pg_monitor;"
        "GRANT USAGE ON FOREIGN DATA WRAPPER w TO pg_monitor",
        "REVOKE USAGE ON FOREIGN SERVER s FROM pg_monitor;"
        "REVOKE USAGE ON FOREIGN DATA WRAPPER w FROM pg_monitor",
        _grants("server s", "pg_monitor", None, "USAGE")
        | _grants("foreign-data wrapper w", "pg_monitor", None, "USAGE"),
        FOREIGN,
    ),
    Change(
        "a grant on a language",
        "GRANT USAGE ON LANGUAGE l TO pg_monitor WITH GRANT OPTION",
        "REVOKE USAGE ON LANGUAGE l FROM pg_monitor",
        _grants("language l", "pg_monitor", None, "USAGE WITH GRANT OPTION"),
        "CREATE TRUSTED LANGUAGE l HANDLER plpgsql_call_handler",
    ),
    Change(
        "what will be granted in a schema",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM pg_monitor",
        {"default acl for role postgres in schema public on tables": NEW},
    ),
    Change(
        "what will be granted",
        "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO pg_signal_backend",
        "ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SEQUENCES FROM pg_signal_backend",
        _grants("default acl for role postgres on sequences", "pg_signal_backend", None, "USAGE"),
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO pg_monitor",
    ),
    Change(
        "what will not be granted",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        {"default acl for role postgres on functions": NEW},
    ),
]

COMMENTED = [
    ("TABLE t", "table public.t", ""),
    ("COLUMN t.name", "column public.t.name", ""),
    ("CONSTRAINT t_pkey ON t", "constraint public.t.t_pkey", ""),
    ("INDEX t_pkey", "index public.t_pkey", ""),
    ("FUNCTION f()", "function public.f()", ""),
    ("SCHEMA app", "schema app", "CREATE SCHEMA app"),
    ("SEQUENCE s", "sequence public.s", "CREATE SEQUENCE s"),
    ("VIEW v", "view public.v", "CREATE VIEW v AS SELECT 1 AS one"),
    ("COLUMN v.one", "column public.v.one", "CREATE VIEW v AS SELECT 1 AS one"),
    ("TRIGGER g ON t", G, CREATES_T),
    ("RULE r ON t", "rule public.t.r", "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING"),
    ("POLICY p ON t", "policy public.t.p", "CREATE POLICY p ON t"),
    ("TYPE mood", "enum public.mood", CREATES_MOOD),
    ("TYPE p", "composite type public.p", "CREATE TYPE p AS (a integer)"),
    ("COLUMN p.a", "attribute public.p.a", "CREATE TYPE p AS (a integer)"),
    ("DOMAIN d", "domain public.d", CREATES_D),
    ("STATISTICS s", "statistics public.s", "CREATE STATISTICS s ON name, n FROM t"),
    ("SERVER s", "server s", FOREIGN),
    ("PUBLICATION p", "publication p", "CREATE PUBLICATION p"),
    ("LANGUAGE l", "language l", "CREATE LANGUAGE l HANDLER plpgsql_call_handler"),
    (
        "CONSTRAINT c ON DOMAIN d",
        "constraint public.d.c",
        f"{CREATES_D} CONSTRAINT c CHECK (VALUE > 0)",
    ),
]
CHANGES_OF_COMMENTS = [
    Change(
        f"the comment on {what.split()[0].lower()} {what.split()[1]}",
        f"COMMENT ON {what} IS 'why'",
        f"COMMENT ON {what} IS NULL",
        _fact(name, comment=(None, "why")),
        before,
    )
    for what, name, before in COMMENTED
]

CHANGES = [
    *CHANGES_OF_TABLES,
    *CHANGES_OF_COLUMNS,
    *CHANGES_OF_CONSTRAINTS,
    *CHANGES_OF_INDEXES,
    *CHANGES_OF_SEQUENCES,
    *CHANGES_OF_VIEWS,
    *CHANGES_OF_FUNCTIONS,
    *CHANGES_OF_TYPES,
    *CHANGES_OF_OTHERS,
    *CHANGES_OF_GRANTS,
    *CHANGES_OF_COMMENTS,
]
