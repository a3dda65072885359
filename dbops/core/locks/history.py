"""What came and went between two looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dbops.core.duration import format_age
from dbops.core.locks.report import MigrationWait, Root
from dbops.core.words import count_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is kept of a look."""

    roots: Mapping[str, Root]
    """By pid, or gid."""
    migrations: Mapping[int, MigrationWait]


def build_moment(roots: Sequence[Root], migrations: Sequence[MigrationWait]) -> Moment:
    """Keep of a look what the next one is compared with."""
    return Moment(
        roots={each.gid or str(each.pid): each for each in roots},
        migrations={each.pid: each for each in migrations},
    )


def compare_moments(before: Moment, after: Moment) -> Iterator[str]:
    """Yield what came, went and changed, in words."""
    for name in after.roots.keys() - before.roots.keys():
        root = after.roots[name]
        yield f"{name} keeps {count_of(root.blocks, 'session')} waiting ({root.kind})"
    for name in before.roots.keys() - after.roots.keys():
        root = before.roots[name]
        yield f"{name} is in nobody's way any more; it blocked {root.blocks:,}"
    for pid in after.migrations.keys() - before.migrations.keys():
        found = after.migrations[pid]
        yield f"migration {pid} waits for {found.object}"
    for pid in before.migrations.keys() - after.migrations.keys():
        found = before.migrations[pid]
        waited = format_age(found.waited_s or 0)
        yield f"migration {pid} waits no more for {found.object}, after {waited}"
