"""Read-only pages for the six tables, made to stay fast on millions of rows."""

import uuid
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from neuroagent.models import (
    ComplexityEstimation,
    Message,
    Thread,
    TokenConsumption,
    ToolCall,
    ToolSelection,
)


class ChoiceFilter(admin.ChoicesFieldListFilter):
    """A filter on an enum, which never asks PostgreSQL for a label it does not know."""

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        asked = request.GET.getlist(self.lookup_kwarg)
        known = {label for label, _ in self.field.flatchoices}
        if not known.issuperset(asked):
            raise IncorrectLookupParameters
        return super().queryset(request, queryset)


class LeanChangeList(ChangeList):
    """A list that does not read the big columns it does not show."""

    model_admin: "InspectionAdmin"

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Model]:
        rows = super().get_queryset(request, exclude_parameters)
        return rows.defer(*self.model_admin.defer_in_list)


class InspectionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at: none can be added, changed or deleted.

    The search box takes an id, or else words.
    """

    actions = None
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    id_lookups: ClassVar[tuple[str, ...]] = ()
    """Where to look for an id."""
    word_lookups: ClassVar[tuple[str, ...]] = ()
    """Where to look for anything else."""
    defer_in_list: ClassVar[tuple[str, ...]] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        return False

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Model | None = None,  # noqa: ARG002
    ) -> bool:
        return False

    def get_changelist(
        self,
        request: HttpRequest,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> type[ChangeList]:
        return LeanChangeList

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:  # noqa: ARG002
        return (*self.id_lookups, *self.word_lookups)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            wanted = uuid.UUID(term)
        except ValueError:
            return self.search_words(queryset, term), False
        return queryset.filter(any_of(self.id_lookups, wanted)), False

    def search_words(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        """Return the rows that have `words` in one of the `word_lookups`."""
        if not self.word_lookups:
            return queryset.none()
        return queryset.filter(any_of(self.word_lookups, words))


def any_of(lookups: Iterable[str], value: object) -> Q:
    """Return the condition that one of the lookups holds for the value."""
    return reduce(or_, (Q((lookup, value)) for lookup in lookups))


@admin.register(Thread)
class ThreadAdmin(InspectionAdmin):
    """Conversations, the latest first."""

    list_display = ("title", "update_date", "creation_date", "user_id", "project_id")
    list_filter = ("update_date",)
    id_lookups = ("thread_id", "user_id", "project_id", "vlab_id")
    search_help_text = (
        "Words that a user or the assistant said (tool output is not searched), "
        "or the id of a thread, user, project or virtual lab."
    )

    def search_words(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        return queryset & Thread.objects.using(queryset.db).search(words)


@admin.register(Message)
class MessageAdmin(InspectionAdmin):
    """Messages of all threads, the latest first."""

    list_display = ("message_id", "thread", "entity", "creation_date", "is_complete")
    list_filter = (("entity", ChoiceFilter), "is_complete", "creation_date")
    list_select_related = ("thread",)
    ordering = ("-creation_date", "-message_id")
    raw_id_fields = ("thread",)
    defer_in_list = ("content", "search_vector")
    id_lookups = ("message_id", "thread_id")
    search_help_text = (
        "Words that a user or the assistant said (tool output is not searched), "
        "or the id of a message or thread."
    )

    def search_words(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        return queryset & Message.objects.using(queryset.db).search(words)


class MessagePartAdmin(InspectionAdmin):
    """Rows that belong to a message, which are listed with it."""

    list_select_related = ("message",)
    raw_id_fields = ("message",)
    defer_in_list: ClassVar[tuple[str, ...]] = (
        "message__content",
        "message__search_vector",
    )


@admin.register(ToolCall)
class ToolCallAdmin(MessagePartAdmin):
    """Tools that the assistant asked for."""

    list_display = ("tool_call_id", "name", "validated", "message")
    list_filter = ("validated",)
    defer_in_list = (*MessagePartAdmin.defer_in_list, "arguments")
    id_lookups = ("message_id",)
    word_lookups = ("tool_call_id", "name__icontains")
    search_help_text = "Part of a tool's name, or the id of a tool call or message."


@admin.register(ToolSelection)
class ToolSelectionAdmin(MessagePartAdmin):
    """Tools that were offered for a query."""

    list_display = ("id", "tool_name", "message")
    id_lookups = ("id", "message_id")
    word_lookups = ("tool_name__icontains",)
    search_help_text = "Part of a tool's name, or an id."


@admin.register(TokenConsumption)
class TokenConsumptionAdmin(MessagePartAdmin):
    """Tokens spent, by type and task."""

    list_display = ("id", "model", "task", "type", "count", "message")
    list_filter = (("task", ChoiceFilter), ("type", ChoiceFilter))
    id_lookups = ("id", "message_id")
    word_lookups = ("model__icontains",)
    search_help_text = "Part of a model's name, or an id."


@admin.register(ComplexityEstimation)
class ComplexityEstimationAdmin(MessagePartAdmin):
    """Models and reasoning levels that were chosen for queries."""

    list_display = ("id", "complexity", "model", "reasoning", "message")
    list_filter = (("reasoning", ChoiceFilter),)
    id_lookups = ("id", "message_id")
    word_lookups = ("model__icontains",)
    search_help_text = "Part of a model's name, or an id."
