"""What belongs to somebody else, and is no difference by rule."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from dbops.core.catalog import PUBLIC, RELATIONS, Catalog, Key, ObjectKind, SchemaObject

BOOKKEEPING = ("alembic_version", "_prisma_migrations", "django_migrations")
"""Tables in which migration tools keep their history; never a difference."""

OTHER_TOOLS = (
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "goose_db_version",
    "knex_migrations",
    "knex_migrations_lock",
    "_sqlx_migrations",
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "atlas_schema_revisions",
    "ar_internal_metadata",
    "schema_migrations",
    "awsdms_*",
    "dbops_journal.*",
    "sqitch.*",
    "pgroll.*",
    "drizzle.*",
    "atlas_schema_revisions.*",
    "heroku_ext",
    "google_vacuum_mgmt.*",
)
"""Names by which other tools are known; a name with `.*` is a whole schema."""

OPERATING_EXTENSIONS = (
    "pg_stat_statements",
    "pg_stat_kcache",
    "pg_wait_sampling",
    "pg_buffercache",
    "pg_prewarm",
    "pg_visibility",
    "pg_repack",
    "pg_squeeze",
    "pg_cron",
    "pgaudit",
    "pgstattuple",
    "pageinspect",
    "amcheck",
    "auto_explain",
    "hypopg",
    "pglogical",
    "rds_tools",
    "aws_*",
    "azure*",
    "google_*",
    "aiven_*",
    "plpgsql",
)
"""Extensions for those who run the server, which no model and no query needs."""

PARTITION = re.compile(r"\bpartition of (.+?) (?:FOR VALUES|DEFAULT)\b")


def find_named(objects: Sequence[SchemaObject], patterns: Sequence[str]) -> set[Key]:
    """Return what the patterns name, and the parts of the tables that they name.

    `audit.*` is what schema audit holds where there is one, and never the parts of a
    table of that name in public.
    """
    schemas = {each.name for each in objects if each.kind == ObjectKind.SCHEMA}
    named = {
        (each.kind, each.name)
        for each in objects
        for pattern in patterns
        if fnmatchcase(each.name, pattern)
        and not (each.parent and pattern.removesuffix(".*") in schemas)
    }
    return add_parts(objects, named)


def find_foreign(expected: Catalog, actual: Catalog) -> dict[str, set[Key]]:
    """Return what only one of the two has, and no migration makes.

    By the reason: other tools' tables, partitions made at run time, extensions for
    those who run the server; and schema public, where the live database lacks it.
    """
    known = {(each.kind, each.name) for each in expected.objects}
    extra = [each for each in actual.objects if (each.kind, each.name) not in known]
    schemas = {
        pattern.removesuffix(".*") for pattern in OTHER_TOOLS if pattern.endswith(".*")
    }
    tools = find_named(extra, OTHER_TOOLS) | {
        (each.kind, each.name)
        for each in extra
        if each.kind is ObjectKind.SCHEMA and each.name in schemas
    }
    return {
        "of other tools": tools,
        "partitions made at run time": _find_partitions(expected, extra),
        "extensions for operating": {
            (each.kind, each.name)
            for each in extra
            if each.kind is ObjectKind.EXTENSION
            and any(fnmatchcase(each.name, name) for name in OPERATING_EXTENSIONS)
        },
        # Every new database has it, so the scratch database has; many drop it.
        "that every new database has": known
        & {PUBLIC} - {(each.kind, each.name) for each in actual.objects},
    }


def _find_partitions(expected: Catalog, extra: Sequence[SchemaObject]) -> set[Key]:
    parents = {each.name for each in expected.objects if each.kind is ObjectKind.TABLE}
    found: set[Key] = set()
    more = True
    while more:
        new = {
            (each.kind, each.name)
            for each in extra
            if each.kind is ObjectKind.TABLE and find_whole(each) in parents
        } - found
        found |= new
        parents |= {name for _, name in new}
        more = bool(new)
    return add_parts(extra, found)


def find_whole(table: SchemaObject) -> str | None:
    """Return the partitioned table that this is a partition of.

    >>> find_whole(
    ...     SchemaObject(
    ...         kind=ObjectKind.TABLE,
    ...         name="event_2026",
    ...         definition="table partition of event FOR VALUES IN (2026)",
    ...     )
    ... )
    'event'
    """
    match = PARTITION.search(table.definition)
    return match[1] if match else None


def add_parts(objects: Sequence[SchemaObject], keys: Collection[Key]) -> set[Key]:
    """Return the keys and those of all that belongs to the tables among them."""
    tables = {name for kind, name in keys if kind in RELATIONS}
    return set(keys) | {
        (each.kind, each.name) for each in objects if each.parent in tables
    }
