"""The pages of operations: is it safe to deploy, who blocks whom, what was done.

It asks the operations that the commands ask, and changes nothing but sessions, for
those who may.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from dbops.admin.acting import Request, act, find_token, plan
from dbops.errors import DbopsError, ServerFailed, UsageError
from dbops.operations.context import Context, build_context
from dbops.operations.locks.locks import LocksOptions, LocksReport, look
from dbops.operations.overview.migration import show_migration
from dbops.operations.overview.overview import read_overview
from dbops.views.access import outside_transactions

if TYPE_CHECKING:
    from dbops.admin.operations import OperationsAdmin

View = TypeVar("View", bound=Callable[..., HttpResponse])

TEMPLATES = "admin/dbops/operations"
REFRESH_S = 3
ACTS = ("cancel", "terminate")
LARGEST_PID = 2**31 - 1
CONFLICT, UNAVAILABLE = 409, 503


def live(view: View) -> View:
    """Show what is there now, whatever ATOMIC_REQUESTS and caches want."""

    @wraps(view)
    def answer(*arguments: Any, **keywords: Any) -> HttpResponse:
        response = view(*arguments, **keywords)
        response.headers["Cache-Control"] = "no-store"
        return response

    return outside_transactions(answer)  # type: ignore[return-value]


def list_databases() -> list[str]:
    """Return the aliases that dbops works on, the default one first."""
    found = [
        alias for alias in connections if connections[alias].vendor == "postgresql"
    ]
    return sorted(found, key=lambda alias: (alias != DEFAULT_DB_ALIAS, alias))


def choose_database(request: HttpRequest) -> Context:
    """Return the context of the alias in the address.

    Raises: Http404.
    """
    databases = list_databases()
    alias = request.GET.get("database", "") or (databases or [""])[0]
    if alias not in databases:
        raise Http404(_("There is no such database."))
    return build_context(alias)


class Pages:
    """What stands in place of a list of rows."""

    def __init__(self, model_admin: OperationsAdmin) -> None:
        self.model_admin = model_admin

    def build_urls(self) -> list[URLPattern]:
        """Return the addresses of the pages; there is nothing to add or to change."""
        wrap = self.model_admin.admin_site.admin_view
        return [
            path("", wrap(self.page_view), name="dbops_operations_changelist"),
            path("locks/", wrap(self.locks_view), name="dbops_operations_locks"),
            path(
                "sessions/<int:pid>/<str:act>/",
                wrap(self.session_view),
                name="dbops_operations_session",
            ),
            path(
                "migrations/<str:app>/<str:name>/",
                wrap(self.migration_view),
                name="dbops_operations_migration",
            ),
        ]

    def require_view(self, request: HttpRequest) -> None:
        """Raise PermissionDenied for those who may not look."""
        if not self.model_admin.has_view_permission(request):
            raise PermissionDenied

    def build_context(
        self, request: HttpRequest, context: Context, title: str, **more: Any
    ) -> dict[str, Any]:
        """Return what all templates need."""
        query = write_query(context)
        # A site of another name than "admin" is meant by what templates reverse.
        request.current_app = self.model_admin.admin_site.name
        return {
            **self.model_admin.admin_site.each_context(request),
            "title": title,
            "subtitle": None,
            "opts": self.model_admin.opts,
            "database": context.alias,
            "databases": list_databases(),
            "query": query,
            "page_url": reverse(
                f"{self.model_admin.admin_site.name}:dbops_operations_changelist"
            )
            + query,
            "may_signal": self.model_admin.may_signal(request),
            **more,
        }

    # The page

    @live
    def page_view(self, request: HttpRequest) -> HttpResponse:
        """Show everything, the answer first."""
        self.require_view(request)
        context = choose_database(request)
        report = read_overview(context)
        return TemplateResponse(
            request,
            f"{TEMPLATES}/page.html",
            self.build_context(
                request,
                context,
                _("Operations"),
                report=report,
                locks=report.locks,
                refresh_s=REFRESH_S,
                locks_url=reverse(
                    f"{self.model_admin.admin_site.name}:dbops_operations_locks"
                ),
            ),
        ).render()

    @live
    def locks_view(self, request: HttpRequest) -> HttpResponse:
        """Return who blocks whom, as the part of the page that is refreshed."""
        self.require_view(request)
        context = choose_database(request)
        locks: LocksReport | None = None
        problem = ""
        try:
            locks = look(context, LocksOptions(min_wait_s=0, own_database=True))
        except DbopsError as error:
            problem = error.message
        return TemplateResponse(
            request,
            f"{TEMPLATES}/locks.html",
            self.build_context(request, context, "", locks=locks, problem=problem),
        ).render()

    @live
    def migration_view(self, request: HttpRequest, app: str, name: str) -> HttpResponse:
        """Show one migration with its SQL."""
        self.require_view(request)
        context = choose_database(request)
        try:
            report = show_migration(context, app, name)
        except UsageError as error:
            raise Http404(error.message) from error
        except DbopsError as error:
            return self.show_failure(request, context, error)
        return TemplateResponse(
            request,
            f"{TEMPLATES}/migration.html",
            self.build_context(request, context, str(report.id), report=report),
        ).render()

    # Acting

    @live
    def session_view(self, request: HttpRequest, pid: int, act: str) -> HttpResponse:
        """Ask whether a session shall be signalled; by POST, do it."""
        self.require_view(request)
        if not self.model_admin.may_signal(request):
            raise PermissionDenied
        if act not in ACTS or pid > LARGEST_PID:
            raise Http404
        context = choose_database(request)
        asked = Request(pid=pid, act=act, user=request.user.get_username())
        try:
            if request.method == "POST":
                return self.act(request, context, asked)
            return self.ask(request, context, asked)
        except DbopsError as error:
            return self.show_failure(request, context, error)

    def ask(
        self,
        request: HttpRequest,
        context: Context,
        asked: Request,
        *,
        notice: str = "",
    ) -> HttpResponse:
        """Show what would be done to whom, and what that frees and costs."""
        found = plan(context, asked)
        return TemplateResponse(
            request,
            f"{TEMPLATES}/session.html",
            self.build_context(
                request,
                context,
                describe_act(asked),
                plan=found,
                act=asked.act,
                pid=asked.pid,
                acts=found.report.acts,
                notes=found.report.notes,
                token=find_token(context, found),
                notice=notice,
            ),
        ).render()

    def act(
        self, request: HttpRequest, context: Context, asked: Request
    ) -> HttpResponse:
        """Do what was agreed to, if it is still the same session doing the same."""
        done = act(context, asked, request.POST.get("token", ""))
        if done is None:
            notice = _(
                "It is not doing any more what it did when you were asked: nothing "
                "was sent. This is what it does now."
            )
            return self.ask(request, context, asked, notice=notice)
        done.log(request.user)
        self.model_admin.message_user(request, done.text, level=done.level)
        address = reverse(
            f"{self.model_admin.admin_site.name}:dbops_operations_changelist"
        )
        return HttpResponseRedirect(f"{address}{write_query(context)}")

    def show_failure(
        self, request: HttpRequest, context: Context, error: DbopsError
    ) -> HttpResponse:
        """Say what the command line would say."""
        return TemplateResponse(
            request,
            f"{TEMPLATES}/failure.html",
            self.build_context(request, context, _("This was not done"), error=error),
            status=UNAVAILABLE if isinstance(error, ServerFailed) else CONFLICT,
        ).render()


def describe_act(asked: Request) -> str:
    """Return the question's title."""
    if asked.act == "cancel":
        return _("Cancel the query of session %(pid)s?") % {"pid": asked.pid}
    return _("Terminate session %(pid)s?") % {"pid": asked.pid}


def write_query(context: Context) -> str:
    """Return what the address needs to mean this database."""
    if context.alias == DEFAULT_DB_ALIAS:
        return ""
    return f"?{urlencode({'database': context.alias})}"
