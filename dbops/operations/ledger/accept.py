"""Attest what was written past the chain, by whoever answers for it."""

from __future__ import annotations

from dbops.core.chain import (
    OF_ROWS,
    Entry,
    Row,
    RowKey,
    find_attested,
    find_flaws,
    is_attested,
)
from dbops.errors import Refused
from dbops.operations.context import Context
from dbops.operations.ledger.report import AcceptReport
from dbops.postgres.chain import (
    Chain,
    chain_exists,
    fetch_entries,
    fetch_rows,
    open_chain,
)
from dbops.postgres.ledger import find_actor
from dbops.postgres.session import open_session


def accept_ledger(context: Context) -> AcceptReport:
    """Add an entry about each row that is not as attested: as it is, and by whom.

    The entries before it stay, so that what was there can still be told.

    Raises:
        Refused: there is no chain, or an entry of it was edited, deleted or inserted.
    """
    with open_session(context.target, purpose="history") as session:
        if not chain_exists(session):
            raise Refused(
                f'database "{context.target.database}" has no chain of entries',
                hint="manage.py dbops_deploy makes it",
            )
        with open_chain(session) as chain:
            entries, rows = fetch_entries(session), fetch_rows(session)
            flaws = find_flaws(entries, rows)
            if any(each.kind not in OF_ROWS for each in flaws):
                raise Refused(
                    "the chain itself is broken, and no entry can mend it",
                    hint="see where: manage.py dbops_history verify",
                )
            _attest(chain, entries, rows)
            return AcceptReport(accepted=flaws, ledger_head=chain.head)


def _attest(chain: Chain, entries: list[Entry], rows: dict[RowKey, Row]) -> None:
    event = f"accepted by {find_actor()}"
    attested = find_attested(entries)
    for key in sorted(attested.keys() | rows.keys()):
        row = rows.get(key)
        if is_attested(attested.get(key), row):
            continue
        if row is None:
            chain.append_gone(event, key)
        else:
            chain.append(event, key[0], row)
