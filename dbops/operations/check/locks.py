"""What a migration's statements keep the application waiting for, by rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db.migrations import Migration

from dbops.conf import Settings
from dbops.core.finding import Finding, Level
from dbops.core.hazards.judge import IN_TRANSACTION, NO_REASON, Hazard, Step, judge
from dbops.core.hazards.parsing import has_parser
from dbops.core.hazards.sizes import Sizes, is_note
from dbops.core.hazards.words import tell_hazard, tell_way_out
from dbops.core.migration import MigrationId
from dbops.core.migration_digest import SILENCED
from dbops.core.table_name import TableName
from dbops.operations.check.graph import Project
from dbops.operations.check.migration_source import Source, read_source
from dbops.operations.context import Context
from dbops.operations.history import get_id
from dbops.postgres.table_sizes import fetch_table_sizes

NO_PARSER = "dbops.W110"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """A finding that its migration answers for."""

    finding: Finding
    reason: str


def choose_judged(
    project: Project,
    labels: Collection[str],
    pending: Collection[MigrationId],
    *,
    is_empty: bool,
) -> tuple[Migration, ...]:
    """Return the migrations that the rules are for.

    All of an app that is named; else the pending ones. Of a database where none is
    applied, which is what CI has, those from the first with SQL files on: who adopts
    dbops is not told of years ago.
    """
    if labels:
        return project.own
    if is_empty:
        return project.held
    return tuple(each for each in project.own if get_id(each) in set(pending))


def fetch_sizes(context: Context, *, known: bool) -> Sizes:
    """Return how large the tables of the database are."""
    if not known:
        return Sizes(tables={}, known=False)
    sizes = fetch_table_sizes(context.connect())
    return Sizes(
        tables={TableName(each.schema, each.name): each for each in sizes}, known=True
    )


def build_missing_parser() -> Finding:
    """Return the finding for a project without the parser."""
    return Finding(
        id=NO_PARSER,
        level=Level.INFO,
        message="what the migrations lock was not looked at: the parser is not "
        "installed",
        hint="pip install 'django-dbops[rules]'",
    )


def needs_parser() -> bool:
    """Tell whether the rules cannot be applied."""
    return not has_parser()


def judge_migration(
    migration: Migration, steps: Iterable[Step], sizes: Sizes, settings: Settings
) -> tuple[list[Finding], list[Silenced]]:
    """Return what is found, and what of it the migration has a reason for."""
    source = read_source(migration)
    silenced = read_silenced(migration)
    findings: list[Finding] = []
    left_out: list[Silenced] = []
    for hazard in judge(tuple(steps)):
        least = settings.lock_rules_min_rows
        finding = _build(migration, source, hazard, small=is_note(hazard, sizes, least))
        reason = silenced.get(finding.id, "").strip()
        if reason:
            left_out.append(Silenced(finding=finding, reason=reason))
        else:
            findings.append(finding)
    findings += _find_unreasoned(migration, source, silenced)
    return findings, left_out


def read_silenced(migration: Migration) -> Mapping[str, str]:
    """Return the ids that the migration wants left out, with the reasons."""
    given = getattr(migration, SILENCED, {})
    if not isinstance(given, dict):
        return dict.fromkeys(map(str, given), "")
    return {str(key): str(value or "") for key, value in given.items()}


def _find_unreasoned(
    migration: Migration, source: Source, silenced: Mapping[str, str]
) -> Iterator[Finding]:
    for id_, reason in silenced.items():
        if not reason.strip():
            yield Finding(
                id=NO_REASON,
                level=Level.WARNING,
                message=f'"{get_id(migration)}" silences {id_} without a reason',
                object=str(get_id(migration)),
                hint=f'{SILENCED} = {{"{id_}": "why nobody will wait for it"}}',
                path=source.path,
            )


def _build(
    migration: Migration, source: Source, hazard: Hazard, *, small: bool
) -> Finding:
    level = Level.ERROR if hazard.id == IN_TRANSACTION else Level.WARNING
    return Finding(
        id=hazard.id,
        level=Level.INFO if small else level,
        message=f'"{get_id(migration)}": {tell_hazard(hazard)}',
        object=str(get_id(migration)),
        hint=tell_way_out(hazard),
        path=source.path,
        line=source.find_line(hazard.operation),
    )
