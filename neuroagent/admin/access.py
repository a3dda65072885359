"""Which database the admin reads, whether it may write, and for how long it may ask."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse

LIMIT_TIME = "SELECT set_config('statement_timeout', %s, true)"
BEGIN_TO_READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
"""All that a page shows is of one moment, however many queries it takes."""
SAFE_METHODS = frozenset({"GET", "HEAD"})


def choose_database() -> str:
    """Return the alias to read from; where edits are allowed, the one to write to."""
    if settings.ADMIN_ALLOW_EDITS:
        return DEFAULT_DB_ALIAS
    alias: str = settings.ADMIN_DATABASE
    return alias


@contextmanager
def limit_time(alias: str, *, read_only: bool = False) -> Iterator[None]:
    """Run a transaction in which no statement takes longer than ADMIN_TIMEOUT_S.

    A transaction that is inside another one can no longer be made read-only.

    Source: https://www.postgresql.org/docs/current/sql-set-transaction.html
    """
    connection = connections[alias]
    outermost = not connection.in_atomic_block
    with transaction.atomic(using=alias):
        with connection.cursor() as cursor:
            if read_only and outermost:
                cursor.execute(BEGIN_TO_READ)
            cursor.execute(LIMIT_TIME, [f"{settings.ADMIN_TIMEOUT_S * 1000:.0f}"])
        yield


@contextmanager
def reading(request: HttpRequest) -> Iterator[None]:
    """Keep a page that only reads from writing, and from taking long."""
    if request.method in SAFE_METHODS:
        with limit_time(choose_database(), read_only=True):
            yield
    else:
        yield


def render_now(response: HttpResponseBase) -> HttpResponseBase:
    """Run the queries that a template would, while their limits hold."""
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    return response
