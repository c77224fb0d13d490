"""A short history with one of everything that breaks differently, and what is to come of it."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.embedded import embedded_bindir

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.whole.projects import Project

HISTORY = {
    "0001_create_people.up.sql": """
        CREATE TABLE people (
            id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL
        );
    """,
    "0001_create_people.down.sql": "DROP TABLE people;",
    "0002_add_ada.up.sql": "INSERT INTO people (name) VALUES ('Ada');",
    "0002_add_ada.down.sql": "DELETE FROM people WHERE name = 'Ada';",
    "0003_add_born.up.sql": """
        ALTER TABLE people ADD COLUMN born date;
        CREATE FUNCTION age(people) RETURNS integer LANGUAGE SQL AS
            $$ SELECT extract(year FROM now())::integer - extract(year FROM $1.born)::integer; $$;
    """,
    "0003_add_born.down.sql": "DROP FUNCTION age(people); ALTER TABLE people DROP COLUMN born;",
    "0004_index_people.up.sql": """-- migrate: no-transaction
        CREATE INDEX CONCURRENTLY people_by_name ON people (name);
        INSERT INTO people (name) VALUES ('Grace');
        CREATE INDEX CONCURRENTLY people_by_born ON people (born);
    """,
    "0004_index_people.down.sql": """-- migrate: no-transaction
        DROP INDEX CONCURRENTLY people_by_born;
        DELETE FROM people WHERE name = 'Grace';
        DROP INDEX CONCURRENTLY people_by_name;
    """,
    "0005_add_moods.up.sql": """
        CREATE TYPE mood AS ENUM ('well', 'unwell');
        ALTER TABLE people ADD COLUMN mood mood;
    """,
    "0005_add_moods.down.sql": "ALTER TABLE people DROP COLUMN mood; DROP TYPE mood;",
}
NAMES = sorted({name.split(".")[0] for name in HISTORY})


@dataclass(frozen=True)
class State:
    """All that runs may differ in."""

    schema: str
    applied: list[str]
    people: list[str]
    invalid: list[str]


def state_of(project: Project) -> State:
    """What a database holds."""
    return State(
        dump_schema(project.database),
        project.applied,
        [name for (name,) in project.query("SELECT name FROM people ORDER BY name")],
        invalid_indexes(project),
    )


def dump_schema(conninfo: str, bindir: Path | None = None) -> str:
    """The schema as `pg_dump` writes it, without what it makes up every time."""
    program = (bindir or embedded_bindir()) / "pg_dump"
    command = [str(program), "--schema-only", conninfo]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(line for line in lines if "restrict " not in line)


def invalid_indexes(project: Project) -> list[str]:
    """The indexes that a broken build left behind."""
    found = project.query("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    return [name for (name,) in found]


def dice_of(request: pytest.FixtureRequest) -> random.Random:
    """A random generator for one test, repeated by `-p randomly_seed=…`; the seed is printed."""
    of_run = request.config.getoption("randomly_seed", default=0)
    seed = f"{of_run} {request.node.nodeid}"
    print(f"seed: {seed}")
    return random.Random(seed)  # noqa: S311
