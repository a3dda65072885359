"""Threads: found by what was said in them, and read as conversations."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from neuroagent.admin.access import SAFE_METHODS, reading, render_now
from neuroagent.admin.base import InspectionAdmin, read_id
from neuroagent.admin.changelist import KeysetChangeList, Ranked
from neuroagent.admin.conversation import fetch_conversation
from neuroagent.admin.display import (
    NOTHING,
    link_to_filter,
    show_count,
    show_marked,
    show_time,
)
from neuroagent.admin.filters import (
    ModelOfThreadFilter,
    make_date_filter,
    make_owner_filters,
)
from neuroagent.admin.paging import BadPageError, Order
from neuroagent.admin.search import fetch_headlines, rank_threads
from neuroagent.admin.totals import fetch_totals
from neuroagent.admin.turns import Rights
from neuroagent.models import Message, Thread

EDIT = "edit"


def may_view(request: HttpRequest, model: str) -> bool:
    """Tell whether somebody may see the rows of one of the six models."""
    return request.user.has_perm(f"neuroagent.view_{model}") or request.user.has_perm(
        f"neuroagent.change_{model}"
    )


def find_rights(request: HttpRequest) -> Rights:
    """Return what of a conversation somebody may see."""
    messages = may_view(request, "message")
    return Rights(
        messages=messages,
        tool_calls=messages and may_view(request, "toolcall"),
        tool_selections=messages and may_view(request, "toolselection"),
        tokens=may_view(request, "tokenconsumption"),
        estimations=messages and may_view(request, "complexityestimation"),
    )


@admin.register(Thread)
class ThreadAdmin(InspectionAdmin):
    """Conversations, the latest first."""

    list_display = ("title", "updated", "created", "messages", "user", "project")
    list_filter = (
        make_date_filter(_("last update"), "update_date"),
        ModelOfThreadFilter,
        *make_owner_filters(),
    )
    order = Order(("-update_date", "-thread_id"))
    page_labels = (
        _("« Newest"),
        _("‹ Newer"),  # noqa: RUF001
        _("Older ›"),  # noqa: RUF001
        _("Oldest »"),
    )
    id_lookups = ("thread_id", "user_id", "project_id", "vlab_id")
    search_help_text = _(
        'Words that were said in it ("exact phrase", or, -not), but not tool output; '
        "or the id of a thread, user, project or virtual lab."
    )

    @admin.display(description=_("updated"))
    def updated(self, thread: Thread) -> str:
        return show_time(thread.update_date)

    @admin.display(description=_("created"))
    def created(self, thread: Thread) -> str:
        return show_time(thread.creation_date)

    @admin.display(description=_("messages"))
    def messages(self, thread: Any) -> str:
        return show_count(thread.message_count)

    @admin.display(description=_("user"))
    def user(self, thread: Thread) -> str:
        return link_to_filter("thread", "user", thread.user_id)

    @admin.display(description=_("project"))
    def project(self, thread: Thread) -> str:
        return link_to_filter("thread", "project", thread.project_id)

    @admin.display(description=_("found"))
    def found(self, thread: Any) -> str:
        return show_marked(thread.headline) if thread.headline else NOTHING

    # Search

    def get_list_display(self, request: HttpRequest) -> Any:
        words = request.GET.get("q", "").strip()
        if not words or read_id(words):
            return self.list_display
        return ("title", "found", "updated", "messages", "user")

    def search_words(
        self, request: HttpRequest, queryset: QuerySet[Any], words: str
    ) -> QuerySet[Any]:
        if not may_view(request, "message"):
            return queryset.none()
        return queryset & Thread.objects.using(queryset.db).search(words)

    def rank(self, request: HttpRequest, changelist: KeysetChangeList) -> Ranked | None:
        words = changelist.query.strip()
        if not words or read_id(words):
            return None
        if not may_view(request, "message"):
            return Ranked(keys=(), is_complete=True)
        messages = Message.objects.using(changelist.queryset.db).search(words)
        if changelist.has_active_filters or changelist.get_filters_params():
            owned = changelist.filtered.order_by().values("pk")
            messages = messages.filter(thread_id__in=owned)
        found = rank_threads(messages, words)
        # For `complete`: which message of each thread is the best.
        request.best_messages = dict(  # type: ignore[attr-defined]
            zip(found.threads, found.messages, strict=True)
        )
        return Ranked(keys=found.threads, is_complete=found.is_complete)

    def complete(
        self,
        request: HttpRequest,
        changelist: KeysetChangeList,
        rows: Sequence[Any],
    ) -> None:
        alias = changelist.queryset.db
        keys = [row.pk for row in rows]
        counts = dict(
            Message.objects.using(alias)
            .filter(thread_id__in=keys)
            .order_by()
            .values("thread_id")
            .annotate(count=Count("*"))
            .values_list("thread_id", "count")
        )
        best = getattr(request, "best_messages", {})
        wanted = [best[key] for key in keys if key in best]
        headlines = fetch_headlines(alias, wanted, changelist.query) if wanted else {}
        for row in rows:
            row.message_count = counts.get(row.pk, 0)
            found = best.get(row.pk)
            row.headline = headlines.get(found, "") if found else ""

    # The conversation

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if request.method not in SAFE_METHODS or EDIT in request.GET:
            return super().change_view(request, object_id, form_url, extra_context)
        return self.conversation_view(request, unquote(object_id))

    def conversation_view(
        self, request: HttpRequest, object_id: str
    ) -> HttpResponseBase:
        """Show a page of the conversation, and what it cost."""
        self.check_may_view(request)
        with reading(request):
            thread = self.get_object(request, object_id)
            if thread is None:
                missing: HttpResponseBase = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                    request, self.opts, object_id
                )
                return missing
            try:
                context = self.build_context(request, thread)
            except BadPageError:
                return HttpResponseRedirect(request.path)
            return render_now(
                TemplateResponse(
                    request, "admin/neuroagent/thread/conversation.html", context
                )
            )

    def build_context(self, request: HttpRequest, thread: Thread) -> dict[str, Any]:
        """Return what the template shows.

        Raises: BadPageError.
        """
        rights = find_rights(request)
        conversation = None
        if rights.messages:
            conversation = fetch_conversation(
                thread,
                request.GET.get("p", ""),
                rights,
                start=read_id(request.GET.get("at", "")),
            )
        return {
            **self.admin_site.each_context(request),
            "title": thread.title,
            "subtitle": None,
            "opts": self.opts,
            "original": thread,
            "thread": thread,
            "conversation": conversation,
            "totals": fetch_totals(thread) if rights.tokens else (),
            "rights": rights,
            "can_edit": self.has_change_permission(request, thread),
            "has_view_permission": True,
        }
