"""Long histories written for other tools run as they are, and end as `psql` makes of them.

The history is made up, of what such histories hold: some files are wrapped in BEGIN and COMMIT,
some have one statement that no transaction takes, some downs only say that there is none.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from catalog.embedded import embedded_bindir
from tests.whole.histories import dice_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.whole.projects import Project

LENGTH = 300

# As pg_dump writes its files; it empties the search path.
FIRST = (
    r"""--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET client_min_messages = warning;

CREATE FUNCTION public.touched() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
    NEW.name := coalesce(NEW.name, 'it''s; "quoted" $$');
    RETURN NEW;
END;
$_$;

SET default_tablespace = '';

CREATE TABLE public.accounts (
    id integer NOT NULL,
    name text DEFAULT E'a\'b; -- no comment'::text
);
CREATE SEQUENCE public.accounts_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.accounts_id_seq OWNED BY public.accounts.id;
ALTER TABLE ONLY public.accounts
    ALTER COLUMN id SET DEFAULT nextval('public.accounts_id_seq'::regclass);
ALTER TABLE ONLY public.accounts ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);
CREATE TRIGGER touched BEFORE INSERT ON public.accounts
    FOR EACH ROW EXECUTE FUNCTION public.touched();
""",
    """DROP TABLE public.accounts CASCADE;
DROP FUNCTION public.touched();
""",
)

# @n stands for the migration's number, @table for one of the tables there are.
TABLES = (
    (
        """CREATE TABLE IF NOT EXISTS table_@n (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    name varchar(255) NOT NULL CHECK (name <> ';'),
    account_id int REFERENCES accounts (id) ON DELETE CASCADE
);
COMMENT ON TABLE table_@n IS 'é; it''s';
""",
        "DROP TABLE IF EXISTS table_@n;\n",
    ),
    (
        """CREATE TABLE "Table @n" (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text,
    "at; once" date NOT NULL
) PARTITION BY RANGE ("at; once");
CREATE TABLE "Table @n in 2020" PARTITION OF "Table @n"
    FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
""",
        'DROP TABLE "Table @n";\n',
    ),
)
PLAIN = (
    (
        "ALTER TABLE @table ADD COLUMN column_@n text, ADD other_@n int NOT NULL DEFAULT 0;\n",
        "ALTER TABLE @table DROP COLUMN column_@n, DROP other_@n;\n",
    ),
    (
        """ALTER TABLE @table ADD COLUMN column_@n jsonb DEFAULT '{"a": ";"}';
CREATE INDEX index_@n ON @table USING gin (column_@n) WHERE id IS NOT NULL;
""",
        "DROP INDEX index_@n;\nALTER TABLE @table DROP COLUMN column_@n;\n",
    ),
    (
        """CREATE OR REPLACE FUNCTION function_@n() RETURNS trigger AS $body$
DECLARE
    x int;
BEGIN
    IF NEW.id IS NULL THEN
        RAISE EXCEPTION 'no; $$';
    END IF;
    RETURN NEW;
END;
$body$ LANGUAGE plpgsql;

CREATE TRIGGER trigger_@n AFTER UPDATE ON accounts
    FOR EACH ROW EXECUTE PROCEDURE function_@n();
CREATE FUNCTION atomic_@n(x int) RETURNS int
BEGIN ATOMIC
    SELECT CASE WHEN x > 0 THEN 1 ELSE 2 END;
END;
""",
        """DROP FUNCTION atomic_@n;
DROP TRIGGER trigger_@n ON accounts;
DROP FUNCTION function_@n;
""",
    ),
    (
        """CREATE TYPE enum_@n AS ENUM ('a;b', 'c');
ALTER TABLE @table ADD COLUMN column_@n enum_@n;
""",
        "ALTER TABLE @table DROP COLUMN column_@n;\nDROP TYPE enum_@n;\n",
    ),
    (
        r"""INSERT INTO accounts (name) VALUES ('row @n; it''s'), (E'\\; @n');
UPDATE accounts SET name = name || '!' WHERE name LIKE '%;%';
""",
        r"""UPDATE accounts SET name = regexp_replace(name, '!$', '') WHERE name LIKE '%;%';
DELETE FROM accounts WHERE name IN ('row @n; it''s', E'\\; @n');
""",
    ),
    (
        """CREATE VIEW view_@n AS SELECT id, count(*) AS "how; many" FROM accounts GROUP BY id;
CREATE MATERIALIZED VIEW mat_view_@n AS SELECT * FROM view_@n;
""",
        "DROP MATERIALIZED VIEW mat_view_@n;\nDROP VIEW view_@n;\n",
    ),
    (
        """ALTER TABLE @table
    ADD CONSTRAINT constraint_@n CHECK (length(name) < 9999) NOT VALID;
ALTER TABLE @table VALIDATE CONSTRAINT constraint_@n;
""",
        "ALTER TABLE @table DROP CONSTRAINT IF EXISTS constraint_@n;\n",
    ),
    (
        """DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'nothing') THEN
        EXECUTE 'CREATE DOMAIN domain_@n AS text CHECK (value <> '';'')';
    END IF;
END;
$$ LANGUAGE plpgsql;
""",
        "DROP DOMAIN IF EXISTS domain_@n;\n",
    ),
    ("-- This one was taken back.\nSELECT 1;\n", "SELECT 1;\n"),
)
# These run as they are, whatever is around them in other files.
LONE = (
    (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS index_@n ON accounts (name);\n",
        "DROP INDEX CONCURRENTLY IF EXISTS index_@n;\n",
    ),
    (
        "-- Why: faster; really.\nCREATE INDEX CONCURRENTLY index_@n ON public.accounts (id)",
        "/* slower */\nDROP INDEX CONCURRENTLY index_@n",
    ),
    (
        """-- migrate: no-transaction
CREATE INDEX CONCURRENTLY index_@n_a ON accounts (name);
ANALYZE accounts;
CREATE UNIQUE INDEX CONCURRENTLY index_@n_b ON accounts (id);
""",
        """-- migrate: no-transaction
DROP INDEX CONCURRENTLY index_@n_b;
DROP INDEX CONCURRENTLY index_@n_a;
""",
    ),
    (
        "ALTER TYPE lasting ADD VALUE IF NOT EXISTS 'value_@n';\n",
        "-- Nothing to do: a value of an enum cannot be dropped.\n",
    ),
    (
        """BEGIN;
LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE;
CREATE POLICY policy_@n ON accounts USING (name <> current_user);
COMMIT;
""",
        "DROP POLICY policy_@n ON accounts;\n",
    ),
    ("VACUUM ANALYZE accounts;", "-- irreversible\n"),
)

WRAPPERS = (
    ("BEGIN;\n\n", "\nCOMMIT;\n"),
    ("-- why; so\nbegin;\n", "commit"),
    ("/* why; */ START TRANSACTION;\n", ";; END;"),
)
DRESSES: tuple[Callable[[str], str], ...] = (
    lambda text: text.replace("\n", "\r\n"),
    lambda text: "\ufeff" + text,
    lambda text: text.rstrip("\n;"),
    lambda text: text + " -- the end; COMMIT",
    lambda text: text + "\n/* more /* nested; */ ' */\n",
)


def made_up(dice: random.Random) -> Iterator[tuple[str, str]]:
    """The texts of the up and down files, in order."""
    yield FIRST
    yield "CREATE TYPE lasting AS ENUM ('one');\n", "DROP TYPE lasting;\n"
    tables = ["accounts"]
    every = [*TABLES, *PLAIN, *LONE]
    for number in range(3, LENGTH + 1):
        # Each kind once, then as it comes.
        pair = every[number - 3] if number < 3 + len(every) else dice.choice(every)
        table = dice.choice(tables)
        up, down = (text.replace("@n", str(number)).replace("@table", table) for text in pair)
        if pair in TABLES:
            tables.append(f"table_{number}" if pair == TABLES[0] else f'"Table {number}"')
        if pair not in LONE and dice.random() < 0.5:
            (before, after), (down_before, down_after) = dice.choices(WRAPPERS, k=2)
            up, down = before + up + after, down_before + down + down_after
        if dice.random() < 0.5:
            up = dice.choice(DRESSES)(up)
        if dice.random() < 0.5:
            down = dice.choice(DRESSES)(down)
        yield up, down


def psql(conninfo: str, files: list[Path]) -> None:
    """Run files as `psql` does, each as if in a session of its own."""
    arguments = [part for file in files for part in ("-c", "RESET ALL", "-f", str(file))]
    command = [str(embedded_bindir() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *arguments]
    done = subprocess.run([*command, conninfo], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def dump(conninfo: str) -> str:
    """All that is in a database but the ledger; where rows happen to lie does not count."""
    program, without = str(embedded_bindir() / "pg_dump"), "--exclude-table=schema_migrations*"
    schema, data = (
        subprocess.run(
            [program, without, part, conninfo], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        for part in ("--schema-only", "--data-only")
    )
    return "\n".join(line for line in [*schema, *sorted(data)] if "restrict " not in line)


@pytest.fixture
def other_database(database: str) -> Iterator[str]:
    """An empty one for `psql`."""
    name = f"{conninfo_to_dict(database)['dbname']}_psql"
    maintenance = make_conninfo(database, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        yield make_conninfo(database, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.slow
@pytest.mark.parametrize("digits", [6, 14])
def test_a_long_history_ends_as_psql_makes_of_it(
    project: Project, other_database: str, request: pytest.FixtureRequest, digits: int
) -> None:
    for number, (up, down) in enumerate(made_up(dice_of(request)), start=1):
        name = f"{number:0{digits}}_{'what-it.does' if number % 7 else 'what_it_does'}"
        project.write({f"{name}.up.sql": up, f"{name}.down.sql": down})
    ups = sorted(project.folder.glob("*.up.sql"))
    downs = sorted(project.folder.glob("*.down.sql"), reverse=True)
    empty = dump(project.database)

    up_done = project.migrate("up")
    psql(other_database, ups)

    assert (up_done.code, up_done.err) == (0, "")
    assert f"{LENGTH} migrations applied" in up_done.out
    full = dump(project.database)
    assert full.count("CREATE ") > LENGTH / 2
    assert full == dump(other_database)

    for arguments, files in ((["down", "100"], downs[:100]), (["down", "--all"], downs[100:])):
        down_done = project.migrate(*arguments)
        psql(other_database, files)
        assert (down_done.code, down_done.err) == (0, "")
        assert dump(project.database) == dump(other_database)
    assert dump(project.database) == empty
    assert project.applied == []
