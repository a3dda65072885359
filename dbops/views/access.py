"""Who may read the numbers, and of which database."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.http import HttpRequest

from dbops.conf import read_settings

View = TypeVar("View", bound=Callable[..., Any])


def may_look(request: HttpRequest) -> bool:
    """Tell staff, and who knows `DBOPS["METRICS_TOKEN"]`, from everybody else.

    A token needs no database; who is staff cannot be told while it is down.
    """
    token = read_settings().metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if (
        token
        and scheme.lower() == "bearer"
        and secrets.compare_digest(given.strip().encode(), token.encode())
    ):
        return True
    try:
        user = getattr(request, "user", None)
        return user is not None and bool(user.is_active and user.is_staff)
    except (DatabaseError, InterfaceError):
        return False


def outside_transactions(view: View) -> View:
    """Keep ATOMIC_REQUESTS away, of each database: one that is down is an answer."""
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


def find_database(request: HttpRequest, default: str) -> str | None:
    """Return the alias that is asked for; None where there is no such database."""
    alias = request.GET.get("database") or default
    known = alias in connections and connections[alias].vendor == "postgresql"
    return alias if known else None
