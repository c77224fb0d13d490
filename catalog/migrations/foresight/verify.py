"""`verify`: whether the live schema is what the files say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from catalog.migrations.foresight.differences import compare

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from catalog.migrations.foresight.differences import Difference
    from catalog.migrations.foresight.fingerprint import Fingerprint

# Where other tools keep their history: it stays theirs, and is no drift.
HISTORY_TABLES = (
    *("public.SequelizeMeta", "public.SequelizeData"),
    *("public.schema_migrations", "public.schema_migrations_lock"),
    *("public.goose_db_version", "public.gorp_migrations", "public.schema_version"),
    *("public.knex_migrations", "public.knex_migrations_lock", "public.pgmigrations"),
    *("public.migrations", "public.typeorm_metadata", "public._prisma_migrations"),
    "drizzle.__drizzle_migrations",
    *("public.flyway_schema_history", "public.databasechangelog", "public.databasechangeloglock"),
    *("public.alembic_version", "public.django_migrations"),
    *("public._yoyo_log", "public._yoyo_migration", "public._yoyo_version", "public.yoyo_lock"),
    *("public._sqlx_migrations", "public.__diesel_schema_migrations"),
    *("public.ar_internal_metadata", "public.db_migrations", "public.atlas_schema_revisions"),
)

_SCHEMA = re.compile(r"""("(?:[^"]|"")*"|[^\s."(]+)\.""")


@dataclass(frozen=True)
class Drift:
    """How a live schema differs from that of the files."""

    differences: Sequence[Difference]
    """From the files (before) to the database (after)."""
    notes: Sequence[Difference]
    """Orders of columns: they depend on the way, and not on the files alone."""


def drift(
    files: Fingerprint, live: Fingerprint, *, ignored: Collection[str] = (), reader: str = ""
) -> Drift:
    """Compare a live schema with that of the files at the same version.

    Left out are schemas that no migration makes or fills, owners (a scratch server has other
    roles), what `reader` was granted so that it can read, and what matches an `ignored` pattern:
    an object's name, or its kind and name, as in `index public.tmp_*`.
    """
    schemas = {name for kind, name in files.objects if kind == "schema"}
    found = []
    for each in compare(
        _without_grants(files, reader), _without_grants(live, reader), owners=False
    ):
        schema = each.name if each.kind == "schema" else _schema_of(each.name)
        names = (each.name, f"{each.kind} {each.name}")
        if (schema is None or schema in schemas) and not any(
            fnmatchcase(name, pattern) for name in names for pattern in ignored
        ):
            found.append(each)
    return Drift(
        [each for each in found if not each.order_only], [each for each in found if each.order_only]
    )


def _schema_of(name: str) -> str | None:
    """The schema that a name begins with, if it begins with one."""
    found = _SCHEMA.match(name)
    return found[1] if found else None


def _without_grants(side: Fingerprint, role: str) -> Fingerprint:
    fact = f"grants to {role}"
    objects = {
        key: {name: value for name, value in facts.items() if name != fact}
        for key, facts in side.objects.items()
    }
    return replace(side, objects=objects)
