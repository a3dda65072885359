"""Which server it is."""

from __future__ import annotations

from dbops.postgres.session import Connection
from dbops.sql import load


def fetch_identity(connection: Connection) -> str:
    """Return the number that a server and its physical copies have in common.

    Empty where the role may not ask, and of a server for trials, which is made anew as
    often as somebody likes: one that does not keep what it writes.
    """
    may_ask = connection.execute(load("server_identity")).fetchone()
    if may_ask is None or not may_ask[0]:
        return ""
    row = connection.execute(load("server_system_identifier")).fetchone()
    return str(row[0]) if row else ""
