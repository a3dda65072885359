"""The numbers of `dbops_backups check` for Prometheus, over HTTP.

path("metrics/backups", dbops.views.backup_metrics)
"""

from __future__ import annotations

import hashlib
import logging
import threading

from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dbops.core.duration import parse_duration
from dbops.errors import DbopsError, UsageError
from dbops.operations.backup.check import build_metrics, check_backups
from dbops.operations.backup.report import Verified
from dbops.operations.context import build_context
from dbops.views.access import may_look

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Source: https://prometheus.io/docs/instrumenting/exposition_formats/"""
FAILED = "the backups cannot be looked at; the log of the application says why\n"

_logger = logging.getLogger("dbops")
_looking = threading.Lock()


@require_safe
@never_cache
def backup_metrics(
    request: HttpRequest,
    *,
    database: str = DEFAULT_DB_ALIAS,
    max_age: str = "26h",
    min_level: str = "contents",
    cache_s: float = 60,
) -> HttpResponse:
    """Answer with the metrics of the newest proven backup.

    For staff, and for `Authorization: Bearer` with `DBOPS["METRICS_TOKEN"]`; 403 for
    everybody else. The storage is asked once in `cache_s` seconds, however often the
    view is, and with each process when the project's cache is the process's own. 503
    when it cannot be asked, which is remembered just as long.
    """
    if not may_look(request):
        return HttpResponse(status=403)
    told = ":".join(("dbops", database, max_age, min_level))
    key = f"dbops-{hashlib.sha256(told.encode()).hexdigest()}"
    with _looking:
        text: str | None = cache.get(key)
        if text is None:
            text = _look(database, max_age, Verified(min_level))
            cache.set(key, text, cache_s)
    if text == FAILED:
        return HttpResponse(text, status=503, content_type="text/plain")
    return HttpResponse(text, content_type=CONTENT_TYPE)


def _look(database: str, max_age: str, min_level: Verified) -> str:
    try:
        max_age_s = parse_duration(max_age)
        if max_age_s is None:
            raise UsageError(f'"{max_age}" is no duration')
        report = check_backups(
            build_context(database), max_age_s=max_age_s, min_level=min_level
        )
    except DbopsError as error:
        _logger.warning("metrics of backups: %s", error.message)
        return FAILED
    return build_metrics(report)
