"""What the rules of locks say of the pending migrations, where nothing can be run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dbops.core.finding import Finding, Level
from dbops.core.hazards.judge import Step
from dbops.core.hazards.parsing import NotUnderstood
from dbops.core.hazards.predict import PredictedLock, predict_statements
from dbops.core.hazards.rule import Work
from dbops.core.lock_modes import Blocks, LockMode
from dbops.core.migration import MigrationId
from dbops.core.table_name import TableName
from dbops.errors import Refused
from dbops.operations.check.graph import read_project
from dbops.operations.check.locks import fetch_sizes, judge_migration, needs_parser
from dbops.operations.check.written import read_written
from dbops.operations.context import Context
from dbops.operations.history import History, get_id

WORKS = (None, *Work)
"""From the least to the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledLock:
    """The strongest lock on one relation, as the rules have it."""

    relation: str
    mode: str
    """As in `pg_locks`."""
    blocks: Blocks
    work: Work | None
    """What takes as long as the table is large; None: it takes a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledMigration:
    """What the rules say of one migration."""

    id: MigrationId
    locks: tuple[RuledLock, ...]
    """The strongest first; those of tables that it makes itself are left out."""
    findings: tuple[Finding, ...]
    """As in `dbops_check`."""

    @property
    def is_bad(self) -> bool:
        """Whether somebody would wait for long."""
        return any(each.level is not Level.INFO for each in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """What the rules say of all of them."""

    migrations: tuple[RuledMigration, ...]
    left: tuple[MigrationId, ...]
    """Those without a `migration.sql`: nothing is known of them."""


def judge_by_rule(
    context: Context, history: History, chosen: frozenset[MigrationId]
) -> Ruled:
    """Apply the rules to the `migration.sql` of the pending migrations; run nothing.

    Raises:
        Refused: the parser is not installed.
    """
    if needs_parser():
        raise Refused(
            "the rules of locks need a parser, and it is not installed",
            hint="pip install 'django-dbops[rules]'",
        )
    settings = context.settings
    pending = [each for each in history.pending if get_id(each) in chosen]
    sizes = fetch_sizes(context, known=True)
    ruled = []
    for migration, steps in read_written(context, read_project(settings, ()), pending):
        findings, _ = judge_migration(migration, steps, sizes, settings)
        ruled.append(
            RuledMigration(
                id=get_id(migration),
                locks=find_locks(steps),
                findings=tuple(findings),
            )
        )
    known = {each.id for each in ruled}
    return Ruled(
        migrations=tuple(ruled),
        left=tuple(each for each in map(get_id, pending) if each not in known),
    )


def find_locks(steps: Iterable[Step]) -> tuple[RuledLock, ...]:
    """Return the strongest lock on each relation that was there before."""
    made: set[TableName] = set()
    found: dict[TableName, list[PredictedLock]] = {}
    for step in steps:
        with suppress(NotUnderstood):  # A finding says so.
            for each in predict_statements(step.sql, step.facts):
                made |= {each.creates} if each.creates else set()
                for lock in each.locks:
                    if lock.relation not in made and lock.mode > LockMode.ROW_SHARE:
                        found.setdefault(lock.relation, []).append(lock)
    locks = [_join(name, each) for name, each in found.items()]
    return tuple(
        sorted(locks, key=lambda one: (-LockMode.parse(one.mode), one.relation))
    )


def _join(name: TableName, locks: Sequence[PredictedLock]) -> RuledLock:
    mode = max(each.mode for each in locks)
    return RuledLock(
        relation=f"{name.schema}.{name.name}",
        mode=mode.pg_name,
        blocks=mode.blocks,
        work=max((each.work for each in locks), key=WORKS.index),
    )
