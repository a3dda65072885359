"""Messages of all threads."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neuroagent.admin.base import InspectionAdmin, read_id
from neuroagent.admin.changelist import KeysetChangeList, Ranked
from neuroagent.admin.content import SHOWN_CHARS, excerpt, read_content
from neuroagent.admin.display import render_text, show_marked, show_time
from neuroagent.admin.filters import (
    ChoiceFilter,
    ModelOfMessageFilter,
    ToolOutputFilter,
    make_date_filter,
    make_owner_filters,
)
from neuroagent.admin.paging import Order
from neuroagent.admin.search import fetch_headlines, rank_messages
from neuroagent.models import Message

EXCERPT_CHARS = 600
"""Of the JSON text, where the first words are looked for."""


def link_to_conversation(message: Message) -> SafeString:
    """Return a link to the message in its thread."""
    url = reverse("admin:neuroagent_thread_change", args=[message.thread_id])
    return format_html(
        '<a href="{}?at={}#m-{}">{}</a>',
        url,
        message.pk,
        message.pk,
        message.thread.title or message.thread_id,
    )


@admin.register(Message)
class MessageAdmin(InspectionAdmin):
    """Messages of all threads, the latest first."""

    list_display = ("created", "entity", "says", "conversation", "is_complete")
    list_filter = (
        make_date_filter(_("date"), "creation_date"),
        ("entity", ChoiceFilter),
        "is_complete",
        ModelOfMessageFilter,
        *make_owner_filters("thread__"),
        ToolOutputFilter,
    )
    list_select_related = ("thread",)
    order = Order(("-creation_date", "-message_id"))
    page_labels = (
        _("« Newest"),
        _("‹ Newer"),  # noqa: RUF001
        _("Older ›"),  # noqa: RUF001
        _("Oldest »"),
    )
    raw_id_fields = ("thread",)
    defer_in_list = ("content", "search_vector")
    id_lookups = ("message_id", "thread_id")
    raw_field = "content"
    inspection_fields = (
        "message_id",
        "conversation",
        "entity",
        "created",
        "is_complete",
        "said",
        "extras",
    )
    search_help_text = _(
        'Words that a user or the assistant said ("exact phrase", or, -not), but not '
        "tool output; or the id of a message or thread."
    )

    @admin.display(description=_("created"))
    def created(self, message: Message) -> str:
        return show_time(message.creation_date)

    @admin.display(description=_("conversation"))
    def conversation(self, message: Message) -> str:
        return link_to_conversation(message)

    @admin.display(description=_("says"))
    def says(self, message: Any) -> str:
        if message.headline:
            return show_marked(message.headline)
        return format_html('<bdi class="excerpt">{}</bdi>', message.excerpt)

    @admin.display(description=_("says"))
    def said(self, message: Message) -> str:
        raw = message.content
        content = read_content(raw[:SHOWN_CHARS], is_cut=len(raw) > SHOWN_CHARS)
        return render_text(content.said, is_broken=content.is_broken)

    @admin.display(description=_("all else"))
    def extras(self, message: Message) -> str:
        raw = message.content
        content = read_content(raw[:SHOWN_CHARS], is_cut=len(raw) > SHOWN_CHARS)
        return render_text(content.extras)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("thread")
        return rows.defer("search_vector")

    def search_words(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
        words: str,
    ) -> QuerySet[Any]:
        return queryset & Message.objects.using(queryset.db).search(words)

    def rank(
        self,
        request: HttpRequest,  # noqa: ARG002
        changelist: KeysetChangeList,
    ) -> Ranked | None:
        words = changelist.query.strip()
        if not words or read_id(words):
            return None
        found = rank_messages(changelist.queryset, words)
        return Ranked(keys=found.messages, is_complete=found.is_complete)

    def complete(
        self,
        request: HttpRequest,  # noqa: ARG002
        changelist: KeysetChangeList,
        rows: Sequence[Any],
    ) -> None:
        alias = changelist.queryset.db
        keys = [row.pk for row in rows]
        headlines = (
            fetch_headlines(alias, keys, changelist.query) if changelist.ranked else {}
        )
        beginnings = (
            {}
            if headlines
            else dict(
                Message.objects.using(alias)
                .filter(pk__in=keys)
                .order_by()
                .values_list("pk", Left("content", EXCERPT_CHARS))
            )
        )
        for row in rows:
            row.headline = headlines.get(row.pk, "")
            row.excerpt = excerpt(beginnings.get(row.pk, ""))
