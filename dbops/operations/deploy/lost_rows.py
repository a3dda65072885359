"""See to it that no table loses rows of which the migration does not say so.

It is said by a DELETE, TRUNCATE or MERGE in what its RunSQL holds, by a rehearsal that
saw it delete, or by a class attribute of the migration: `deletes = ["shop_note"]`.
What is left are cascades, triggers and Python that nobody has rehearsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django.db.migrations import Migration
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from dbops.core.lost_rows import (
    find_lost_rows,
    find_said_tables,
    is_table_name,
    tell_lost_rows,
)
from dbops.core.proof import Proof
from dbops.core.table_name import parse_table_name
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.deploy.failure import Mismatch
from dbops.operations.history import get_id
from dbops.postgres.lost_rows import (
    fetch_empty_tables,
    fetch_named_tables,
    fetch_table_counts,
)

ATTRIBUTE = "deletes"


def read_deletes(migration: Migration) -> tuple[str, ...]:
    """Return the tables that the migration says it deletes rows of.

    Raises:
        Refused: its word for it is no list of tables.
    """
    said = getattr(migration, ATTRIBUTE, ())
    if isinstance(said, (list, tuple)) and all(map(is_table_name, said)):
        return tuple(said)
    raise Refused(
        f'migration "{get_id(migration)}" says {ATTRIBUTE} = {said!r}',
        hint=f'write a list of tables as SQL names them: {ATTRIBUTE} = ["shop_note"]',
    )


def watch_rows(
    context: Context, migration: Migration, proof: Proof | None
) -> Callable[[], None]:
    """Return what, later in the same transaction, requires that no row was lost.

    That raises Mismatch where one was.
    """
    names = [
        *read_deletes(migration),
        *_list_said(migration.operations),
        *map(_qualify, proof.deletes if proof else ()),
    ]
    connection = context.connect()
    before = fetch_table_counts(connection)
    said = fetch_named_tables(connection, names)

    def require_rows() -> None:
        after = fetch_table_counts(connection)
        moved = [
            oid
            for oid, each in after.items()
            if oid in before and each.filenode != before[oid].filenode
        ]
        lost = find_lost_rows(
            before,
            after.values(),
            fetch_empty_tables(connection, moved),
            said | fetch_named_tables(connection, names),
        )
        if lost:
            tables = [each.table for each in lost]
            raise Mismatch(
                f'"{get_id(migration)}" deletes {tell_lost_rows(lost)}, and does not '
                "say so",
                hint="correct the migration; or where it is meant: manage.py "
                "dbops_rehearse --backup new, or in the migration "
                f"{ATTRIBUTE} = {tables}",
            )

    return require_rows


def _list_said(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        match operation:
            case RunSQL(sql=str(text)):
                yield from find_said_tables(text)
            case RunSQL(sql=[*parts]):
                for part in parts:
                    yield from find_said_tables(
                        part if isinstance(part, str) else part[0]
                    )
            case SeparateDatabaseAndState(database_operations=inner):
                yield from _list_said(inner)


def _qualify(name: str) -> str:
    """Return a measured table's name with its schema, whatever the search path is."""
    schema, table = (each.replace('"', '""') for each in parse_table_name(name))
    return f'"{schema}"."{table}"'
