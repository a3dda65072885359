"""What the pages of all six tables have in common."""

import uuid
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model, Q, QuerySet
from django.forms import Field as FormField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from neuroagent.admin.access import choose_database, reading, render_now
from neuroagent.admin.changelist import KeysetChangeList, Ranked
from neuroagent.admin.export import FORMATS, stream
from neuroagent.admin.paging import Order

LONG_FIELDS = frozenset({"content", "arguments"})


class InspectionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at; to change as well, where ADMIN_ALLOW_EDITS is on.

    The search box takes an id, or else words.
    """

    actions = None
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()
    order: Order
    """How the list is sorted: by an index."""
    page_labels: ClassVar[tuple[Any, ...]] = (
        _("« First"),
        _("‹ Previous"),  # noqa: RUF001
        _("Next ›"),  # noqa: RUF001
        _("Last »"),
    )
    id_lookups: ClassVar[tuple[str, ...]] = ()
    """Where to look for an id."""
    word_lookups: ClassVar[tuple[str, ...]] = ()
    """Where to look for anything else."""
    defer_in_list: ClassVar[tuple[str, ...]] = ()
    inspection_fields: ClassVar[tuple[str, ...]] = ()
    """What the page of a row shows to those who may not change it."""
    raw_field: ClassVar[str] = ""
    """The field whose text can be had as it is."""
    export_excludes: ClassVar[frozenset[str]] = frozenset({"search_vector"})

    # Who may what

    def has_add_permission(self, request: HttpRequest) -> bool:
        return settings.ADMIN_ALLOW_EDITS and super().has_add_permission(request)

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        allowed = super().has_change_permission(request, obj)
        return settings.ADMIN_ALLOW_EDITS and allowed

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return settings.ADMIN_ALLOW_EDITS and allowed

    def check_may_view(self, request: HttpRequest) -> None:
        """Raise PermissionDenied for others."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied

    # Pages, each within the limits of reading

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).using(choose_database())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"formats": FORMATS, **(extra_context or {})}
        with reading(request):
            return render_now(super().changelist_view(request, context))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {"raw_url": self.find_raw_url(object_id), **(extra_context or {})}
        with reading(request):
            return render_now(
                super().changeform_view(request, object_id, form_url, context)
            )

    def get_urls(self) -> list[URLPattern]:
        info = self.opts.app_label, self.opts.model_name
        wrap = self.admin_site.admin_view
        ours = [
            path(
                "export/<str:format_name>/",
                wrap(self.export_view),
                name="{}_{}_export".format(*info),
            )
        ]
        if self.raw_field:
            ours.append(
                path(
                    "<path:object_id>/raw/",
                    wrap(self.raw_view),
                    name="{}_{}_raw".format(*info),
                )
            )
        return [*ours, *super().get_urls()]

    def export_view(self, request: HttpRequest, format_name: str) -> HttpResponseBase:
        """Send what the list's filters leave, as a file."""
        self.check_may_view(request)
        if format_name not in FORMATS:
            raise Http404
        try:
            with reading(request):
                rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(f"{reverse(name)}?e=1")
        return stream(rows, format_name, exclude=self.export_excludes)

    def raw_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the text of one row as it is in the database."""
        self.check_may_view(request)
        with reading(request):
            found = self.get_object(request, unquote(object_id))
        if found is None:
            raise Http404
        text: str = getattr(found, self.raw_field)
        return HttpResponse(
            text.encode("utf-8", "replace"),
            content_type="text/plain; charset=utf-8",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    def find_raw_url(self, object_id: str | None) -> str:
        """Return the address of `raw_view`, empty where there is none."""
        if not (self.raw_field and object_id):
            return ""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_raw"
        return reverse(name, args=[quote(unquote(object_id))])

    # The page of one row

    def may_edit(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether a form has to be shown."""
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if self.inspection_fields and not self.may_edit(request, obj):
            return self.inspection_fields
        return super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.inspection_fields and not self.may_edit(request, obj):
            return self.inspection_fields
        fields = super().get_readonly_fields(request, obj)
        # With another key a form would save another row.
        return fields if obj is None else (*fields, self.opts.pk.name)

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: Any, **kwargs: Any
    ) -> FormField | None:
        if db_field.name in LONG_FIELDS:
            kwargs["widget"] = AdminTextareaWidget
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    # The list

    def get_changelist(
        self,
        request: HttpRequest,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> type[ChangeList]:
        return KeysetChangeList

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:  # noqa: ARG002
        return (*self.id_lookups, *self.word_lookups)

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = read_id(term)
        if wanted is None:
            return self.search_words(request, queryset, term), False
        return queryset.filter(any_of(self.id_lookups, wanted)), False

    def search_words(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
        words: str,
    ) -> QuerySet[Any]:
        """Return the rows that have `words` in one of the `word_lookups`."""
        if not self.word_lookups:
            return queryset.none()
        return queryset.filter(any_of(self.word_lookups, words))

    def rank(
        self,
        request: HttpRequest,  # noqa: ARG002
        changelist: KeysetChangeList,  # noqa: ARG002
    ) -> Ranked | None:
        """Return what the search found by rank; None for a list by key."""
        return None

    def complete(
        self,
        request: HttpRequest,
        changelist: KeysetChangeList,
        rows: Sequence[Any],
    ) -> None:
        """Add to the rows of a page what is read for them at once."""


def read_id(text: str) -> uuid.UUID | None:
    """Return the id that was typed, None for words."""
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def any_of(lookups: Iterable[str], value: object) -> Q:
    """Return the condition that one of the lookups holds for the value."""
    return reduce(or_, (Q((lookup, value)) for lookup in lookups))
