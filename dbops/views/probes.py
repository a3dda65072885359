"""Is this process alive, and may it be sent requests? For load balancers."""

from __future__ import annotations

import logging

import psycopg
from django.db import DEFAULT_DB_ALIAS, Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dbops.core.words import count_of
from dbops.errors import DbopsError
from dbops.operations.context import build_context
from dbops.operations.history import read_history
from dbops.postgres.session import tell_error
from dbops.views.access import find_database, outside_transactions

TEXT = "text/plain; charset=utf-8"
NOT_FOUND, UNAVAILABLE = 404, 503
NO_DATABASE = "not ready: the database cannot be asked\n"

_logger = logging.getLogger("dbops")


@outside_transactions
@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200; no database is asked, and nobody needs to be signed in."""
    return HttpResponse("ok\n", content_type=TEXT)


@outside_transactions
@require_safe
@never_cache
def readyz(request: HttpRequest, *, database: str = DEFAULT_DB_ALIAS) -> HttpResponse:
    """Answer 200 when the database answers and nothing is pending there, else 503.

    `?database=ALIAS` asks for another one. Says no name and no address: anybody may
    ask. The reason is in the log.
    """
    alias = find_database(request, database)
    if alias is None:
        return HttpResponse("no such database\n", status=NOT_FOUND, content_type=TEXT)
    try:
        context = build_context(alias)
        context.connect().execute("SELECT 1")
        pending = len(read_history(context).pending)
    except (DbopsError, psycopg.Error, Error) as error:
        _logger.warning("readyz: %s", tell_error(error))
        return HttpResponse(NO_DATABASE, status=UNAVAILABLE, content_type=TEXT)
    if pending:
        text = f"not ready: {count_of(pending, 'migration')} pending\n"
        return HttpResponse(text, status=UNAVAILABLE, content_type=TEXT)
    return HttpResponse("ok\n", content_type=TEXT)
