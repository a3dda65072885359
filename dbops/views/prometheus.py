"""The numbers of the operations page, for Prometheus."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dbops import __version__
from dbops.core.gauge import Gauge
from dbops.operations.context import Context, build_context
from dbops.operations.overview.backups import look_at_backups
from dbops.operations.overview.metrics import build_gauges
from dbops.operations.overview.overview import read_overview
from dbops.operations.overview.report import BackupsState
from dbops.postgres.session import Connection
from dbops.views.access import find_database, may_look, outside_transactions

if TYPE_CHECKING:
    from prometheus_client import Metric

TEXT = "text/plain; charset=utf-8"
MISSING = "prometheus-client is not installed: pip install 'django-dbops[metrics]'\n"
FORBIDDEN, NOT_FOUND, NOT_IMPLEMENTED = 403, 404, 501

_looking = threading.Lock()


@outside_transactions
@require_safe
@never_cache
def metrics(
    request: HttpRequest,
    *,
    database: str = DEFAULT_DB_ALIAS,
    cache_s: float = 10,
    backups_cache_s: float = 60,
) -> HttpResponse:
    """Answer with what the operations page shows, as numbers.

    For staff, and for `Authorization: Bearer` with `DBOPS["METRICS_TOKEN"]`; 403 for
    everybody else. `?database=ALIAS` asks for another database. The server is asked
    once in `cache_s` seconds, the storage of the backups in `backups_cache_s`, by each
    process where the project's cache is the process's own.
    """
    if not may_look(request):
        return HttpResponse(status=FORBIDDEN)
    alias = find_database(request, database)
    if alias is None:
        return HttpResponse("no such database\n", status=NOT_FOUND, content_type=TEXT)
    try:
        from prometheus_client import CONTENT_TYPE_LATEST
    except ImportError:
        return HttpResponse(MISSING, status=NOT_IMPLEMENTED, content_type=TEXT)
    key = _build_key("metrics", alias)
    with _looking:
        text: bytes | None = cache.get(key)
        if text is None:
            text = write_metrics(build_context(alias), backups_cache_s)
            cache.set(key, text, cache_s)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def write_metrics(context: Context, backups_cache_s: float) -> bytes:
    """Return the numbers in Prometheus's text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    def look(
        context: Context, session: Connection | None, now: datetime
    ) -> BackupsState | None:
        key = _build_key("backups", context.alias)
        known: tuple[BackupsState | None] | None = cache.get(key)
        if known is None:
            known = (look_at_backups(context, session, now),)
            cache.set(key, known, backups_cache_s)
        return known[0]

    report = read_overview(context, details=False, backups=look)
    name = str(context.connection.settings_dict["NAME"] or "postgres")
    registry = CollectorRegistry()
    registry.register(_Collector(name, build_gauges(report)))
    return generate_latest(registry)


def _build_key(what: str, alias: str) -> str:
    told = hashlib.sha256(f"{__version__}:{alias}".encode()).hexdigest()
    return f"dbops-{what}-{told}"


class _Collector:
    """Hands numbers to prometheus-client, which knows how they are written."""

    def __init__(self, database: str, gauges: Iterable[Gauge]) -> None:
        self._database = database
        self._gauges = tuple(gauges)

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        for each in self._gauges:
            family = GaugeMetricFamily(each.name, each.help, labels=["database"])
            family.add_metric([self._database], each.value)
            yield family
