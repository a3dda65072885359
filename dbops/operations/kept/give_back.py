"""After a way back: fill in what was kept when the migration went forward."""

from __future__ import annotations

import psycopg
from django.db import transaction

from dbops.core.kept import SCHEMA, Kept
from dbops.core.migration import MigrationId
from dbops.errors import ServerFailed
from dbops.operations.context import Context
from dbops.postgres.giving_back import give_back
from dbops.postgres.keeping import fetch_kept
from dbops.postgres.session import tell_error


def fill_in(context: Context, migration: MigrationId) -> tuple[Kept, ...]:
    """Fill in what was kept of a migration, and return what that was.

    In the transaction that is open, or in one of its own.

    Raises:
        ServerFailed: the server did not take it; the transaction is of no use then.
    """
    connection = context.connect()
    kept = fetch_kept(connection, migration)
    if not kept:
        return ()
    try:
        with transaction.atomic(using=context.alias):
            returned = give_back(context.connect(), kept)
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as error:
        places = ", ".join(f'{SCHEMA}."{each.place}"' for each in kept)
        raise ServerFailed(
            f'what was kept of "{migration}" does not fit any more: '
            f"{tell_error(error)}",
            hint="put right what is in its way; or drop it, and run the command "
            f"again: DROP TABLE {places}",
        ) from error
    for _, note in returned:
        context.progress(note)
    return tuple(each for each, _ in returned)
