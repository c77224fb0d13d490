"""The migrations that are tried, small as they are; all they make is in the schema `app`."""

from __future__ import annotations

from bench.tools import Migration

PAUSE = "SELECT pg_sleep(0.06);\n"
_ADA, _GRACE = (
    f"INSERT INTO app.people (name) VALUES ('{name}');\n"  # noqa: S608
    for name in ("Ada", "Grace")
)
_TABLE = "CREATE TABLE app.{} (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);\n"


def table(number: int, name: str, *more: str) -> Migration:
    """One that makes a table, and does more."""
    return Migration(
        f"{number:04}_create_{name}",
        "".join([_TABLE.format(name), *more]),
        f"DROP TABLE app.{name};\n",
    )


GUESTS = Migration(
    "0002_add_guests",
    f"{_ADA}{PAUSE}{_GRACE}",
    "DELETE FROM app.people WHERE name IN ('Ada', 'Grace');\n",
)
HISTORY = [
    table(1, "people", PAUSE),
    GUESTS,
    Migration(
        "0003_create_rooms",
        f"CREATE TABLE app.rooms (number integer PRIMARY KEY);\n{PAUSE}"
        "CREATE TABLE app.stays (room integer REFERENCES app.rooms, person integer);\n",
        "DROP TABLE app.stays;\nDROP TABLE app.rooms;\n",
    ),
    Migration(
        "0004_add_born",
        f"ALTER TABLE app.people ADD COLUMN born date;\n{PAUSE}"
        "CREATE INDEX people_by_born ON app.people (born);\n",
        "ALTER TABLE app.people DROP COLUMN born;\n",
    ),
    Migration(
        "0005_fill_rooms",
        "".join(
            [
                "INSERT INTO app.rooms SELECT generate_series(1, 10);\n",
                PAUSE,
                "INSERT INTO app.stays (room, person) VALUES (1, 1);\n",
            ]
        ),
        "DELETE FROM app.stays;\nDELETE FROM app.rooms;\n",
    ),
]
"""Each takes some tens of milliseconds; what is done twice shows in the rows."""
