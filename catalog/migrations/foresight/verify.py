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

_NAME = r"""("(?:[^"]|"")*"|[^\s."(]+)"""
_SCHEMA = re.compile(rf"(?:^|(?<=[(\s])){_NAME}\.")
_IN_SCHEMA = re.compile(rf" in schema {_NAME}")


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
    left, right = _without_grants(files, reader), _without_grants(live, reader)
    found = [
        each
        for each in compare(left, right, owners=False)
        if _schemas_of(each) <= schemas and not _is_ignored(each, ignored)
    ]
    return Drift(
        [each for each in found if not each.order_only], [each for each in found if each.order_only]
    )


def _is_ignored(found: Difference, patterns: Collection[str]) -> bool:
    """Whether a pattern is for its name, with or without its kind and the schema `public`."""
    names = {found.name, found.name.removeprefix("public.")}
    names |= {f"{found.kind} {name}" for name in names}
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _schemas_of(found: Difference) -> set[str]:
    """The schemas that an object is in, or has to do with."""
    if found.kind == "schema":
        return {found.name}
    if found.kind == "extension":
        return {(found.after or found.before or {})["schema"]} - {"pg_catalog"}
    if found.kind == "default acl":
        return set(_IN_SCHEMA.findall(found.name))
    return set(_SCHEMA.findall(found.name)[: 2 if found.kind == "cast" else 1]) - {"pg_catalog"}


def _without_grants(side: Fingerprint, role: str) -> Fingerprint:
    fact = f"grants to {role}"
    objects = {
        key: {name: value for name, value in facts.items() if name != fact}
        for key, facts in side.objects.items()
    }
    return replace(side, objects=objects)
