"""The next numbered pair of files, empty or with a whole table in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.errors import NewMigrationRefused
from catalog.migrations.plan import next_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The types of `sequelize model:generate --attributes`, as Sequelize makes them in Postgres.
TYPES = {
    "string": "varchar(255)",
    "text": "text",
    "integer": "integer",
    "bigint": "bigint",
    "float": "double precision",
    "double": "double precision",
    "decimal": "numeric",
    "boolean": "boolean",
    "date": "timestamptz",
    "dateonly": "date",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "jsonb",
}

_OUR_COLUMNS = ("id", "createdAt", "updatedAt")
_LONGEST_IDENTIFIER = 63  # bytes; Postgres cuts off the rest


def write_new(directory: Path, name: str, columns: Sequence[str]) -> list[Path]:
    """Write the up and the down file, and return their paths.

    Raises:
        NewMigrationRefused: The name or a column cannot be used, or the folder is not there.
    """
    name = re.sub(r"\s+", "_", name.strip())
    if not re.fullmatch(r"[\w.-]+", name) or re.search(r"\.(up|down|sql)$", name):
        raise NewMigrationRefused(
            f'"{name}" cannot be part of a file name',
            "use letters, digits, _ and -, as in create_publishers",
        )
    up, down = _table_scripts(name, columns) if columns else _empty_scripts(name)
    try:
        number = next_number([path.name for path in directory.iterdir()])
        paths = [directory / f"{number}_{name}.{direction}.sql" for direction in ("up", "down")]
        for path, text in zip(paths, (up, down), strict=True):
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as exc:
        reason = str(exc.strerror).lower()
        raise NewMigrationRefused(
            f"cannot write to {exc.filename}: {reason}", "make the folder, or name it with --dir"
        ) from exc
    return paths


def _empty_scripts(name: str) -> tuple[str, str]:
    words = name.replace("_", " ")
    return (
        f"-- Why: {words}\n\n",
        f"-- Takes back everything that {words} did.\n\n",
    )


def _table_scripts(name: str, columns: Sequence[str]) -> tuple[str, str]:
    prefix, _, words = name.partition("_")
    if prefix != "create" or not re.fullmatch(r"[A-Za-z]\w*", words, re.ASCII):
        raise NewMigrationRefused(
            f'no table can be made out of "{name}"',
            "with columns the name has to be create_ and the table's, as in create_publishers",
        )
    table = "".join(word[:1].upper() + word[1:] for word in words.split("_"))
    lines = [
        "id           serial PRIMARY KEY",
        *_column_lines(columns),
        '"createdAt"  timestamptz NOT NULL DEFAULT now()',
        '"updatedAt"  timestamptz NOT NULL DEFAULT now()',
    ]
    body = ",\n    ".join(lines)
    return (
        f'-- {table} of the catalog.\n\nCREATE TABLE "{table}" (\n    {body}\n);\n',
        f'-- Takes the table away, with every row in it.\n\nDROP TABLE "{table}";\n',
    )


def _column_lines(columns: Sequence[str]) -> list[str]:
    lines, seen = [], set(_OUR_COLUMNS)
    for column in columns:
        found = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*):([A-Za-z]+)(!?)", column)
        if not found or len(found[1]) > _LONGEST_IDENTIFIER:
            raise NewMigrationRefused(
                f'"{column}" is not a column', "write NAME:TYPE, or NAME:TYPE! for NOT NULL"
            )
        name, kind, required = found.groups()
        if kind.lower() not in TYPES:
            raise NewMigrationRefused(
                f'"{column}" has an unknown type', f"the types are {', '.join(TYPES)}"
            )
        if name in seen:
            raise NewMigrationRefused(
                f'there is a column "{name}" already',
                f"{', '.join(_OUR_COLUMNS)} are made by themselves",
            )
        seen.add(name)
        quoted = f'"{name}"'
        lines.append(f"{quoted:<12} {TYPES[kind.lower()]}{' NOT NULL' if required else ''}")
    return lines
