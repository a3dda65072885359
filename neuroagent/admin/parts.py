"""What hangs on messages: tool calls, tools offered, models chosen."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db import connections
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from neuroagent.admin.base import InspectionAdmin
from neuroagent.admin.content import SHOWN_CHARS, read_text
from neuroagent.admin.display import render_text, show_time
from neuroagent.admin.filters import ChoiceFilter
from neuroagent.admin.paging import Order
from neuroagent.admin.queries import read_query
from neuroagent.models import ComplexityEstimation, ToolCall, ToolSelection


class MessagePartAdmin(InspectionAdmin):
    """Rows that belong to a message, which are listed with it."""

    order = Order(("pk",))
    list_select_related = ("message",)
    raw_id_fields = ("message",)
    defer_in_list: ClassVar[tuple[str, ...]] = (
        "message__content",
        "message__search_vector",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("message")
        return rows.defer(*MessagePartAdmin.defer_in_list)

    @admin.display(description=_("message"))
    def in_conversation(self, part: Any) -> str:
        message = part.message
        url = reverse("admin:neuroagent_thread_change", args=[message.thread_id])
        return format_html(
            '<a href="{}?at={}#m-{}">{}</a> {}',
            url,
            message.pk,
            message.pk,
            message.get_entity_display(),
            show_time(message.creation_date),
        )


@admin.register(ToolCall)
class ToolCallAdmin(MessagePartAdmin):
    """Tools that the assistant asked for."""

    list_display = ("tool_call_id", "name", "validated", "in_conversation")
    list_filter = ("validated",)
    defer_in_list = (*MessagePartAdmin.defer_in_list, "arguments")
    id_lookups = ("message_id",)
    word_lookups = ("tool_call_id", "name")
    raw_field = "arguments"
    inspection_fields = (
        "tool_call_id",
        "name",
        "validated",
        "in_conversation",
        "pretty_arguments",
    )
    search_help_text = _(
        "Part of a tool's name, or the id of a tool call or message. What a tool "
        "answered is searched in the list of messages."
    )

    @admin.display(description=_("arguments"))
    def pretty_arguments(self, call: ToolCall) -> str:
        raw = call.arguments
        return render_text(read_text(raw[:SHOWN_CHARS], is_cut=len(raw) > SHOWN_CHARS))

    def search_words(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
        words: str,
    ) -> QuerySet[Any]:
        part = words.casefold()
        names = [name for name in fetch_tools(queryset.db) if part in name.casefold()]
        return queryset.filter(Q(tool_call_id=words) | Q(name__in=names))


def fetch_tools(alias: str) -> list[str]:
    """Return the names of the tools that were called."""
    with connections[alias].cursor() as cursor:
        cursor.execute(read_query("tools"))
        return [name for (name,) in cursor.fetchall()]


@admin.register(ToolSelection)
class ToolSelectionAdmin(MessagePartAdmin):
    """Tools that were offered for a query."""

    list_display = ("id", "tool_name", "in_conversation")
    id_lookups = ("id", "message_id")
    inspection_fields = ("id", "tool_name", "in_conversation")
    search_help_text = _("The id of a row or message.")


@admin.register(ComplexityEstimation)
class ComplexityEstimationAdmin(MessagePartAdmin):
    """Models and reasoning levels that were chosen for queries."""

    list_display = ("id", "complexity", "model", "reasoning", "in_conversation")
    list_filter = (("reasoning", ChoiceFilter),)
    id_lookups = ("id", "message_id")
    inspection_fields = (
        "id",
        "complexity",
        "model",
        "reasoning",
        "in_conversation",
    )
    search_help_text = _("The id of a row or message.")
