"""What surrounds each page: security policy, time zone, a database that fails."""

import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils import timezone

View = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
DEBUG_PAGES = frozenset({404, 500})
ZONE_COOKIE = "timezone"


def add_content_security_policy(get_response: View) -> View:
    """Forbid scripts, styles and images that are not files of this site.

    Django has a middleware for this from 6.0 on; this one does for 5.2 as well. Its
    error pages of DEBUG are left alone, as there: they are made of inline scripts.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not (settings.DEBUG and response.status_code in DEBUG_PAGES):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return respond


def use_zone_of_reader(get_response: View) -> View:
    """Show times in the zone that `zone.js` has put into a cookie."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        zone = find_zone(request.COOKIES.get(ZONE_COOKIE, ""))
        if zone is None:
            return get_response(request)
        with timezone.override(zone):
            return get_response(request)

    return respond


def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of that name; None for none, and for what is no name.

    >>> find_zone("Europe/Zurich").key
    'Europe/Zurich'
    >>> find_zone("../../etc/passwd")
    """
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, LookupError, OSError):
        return None


class ExplainDatabaseErrors:
    """Answer with a page of its own when the database is down, or takes too long."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Return the page, or None for an error that is the code's."""
        if not isinstance(exception, DatabaseError | InterfaceError):
            return None
        if is_timeout(exception):
            logger.warning("%s took too long", request.path)
            return render_trouble("too_slow.html")
        if is_outage(exception):
            logger.error("%s: no database: %s", request.path, exception)
            return render_trouble("no_database.html")
        return None


def is_timeout(error: Exception) -> bool:
    """Tell whether the server gave up a statement at its `statement_timeout`."""
    return isinstance(error.__cause__, psycopg.errors.QueryCanceled)


def is_outage(error: Exception) -> bool:
    """Tell whether the server cannot be reached, or sends everybody away.

    Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state[:2] in {"08", "28", "3D", "53", "57"}


def render_trouble(template: str) -> HttpResponse:
    """Return a page that needs no database, and so no session and no user."""
    text = render_to_string(
        f"neuroagent/{template}", {"seconds": f"{settings.ADMIN_TIMEOUT_S:g}"}
    )
    response = HttpResponse(text, status=503)
    response.headers["Cache-Control"] = "no-store"
    return response
