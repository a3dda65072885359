"""Filters of the lists, none of which offers more choices than fit on a screen."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neuroagent.admin.queries import read_query
from neuroagent.models import Entity, Message, TokenConsumption

NUL = "\0"


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


class FormFilter(admin.ListFilter):
    """A filter to type into: a form that keeps all else in the address."""

    template = "admin/neuroagent/filter_form.html"
    parameters: ClassVar[tuple[tuple[str, Any], ...]] = ()
    """Names in the address, with their labels."""
    input_type = "text"
    help_text: Any = ""

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.typed = {
            name: params.pop(name)[-1].strip() if name in params else ""
            for name, _ in self.parameters
        }
        self.errors: dict[str, str] = {}
        # The template has the filter alone, not the request.
        self.used_parameters.update(
            {name: value for name, value in self.typed.items() if value}
        )

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.typed)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield links beside the form, if any; the form is in the template."""
        self.kept = [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in self.typed
            for value in (values if isinstance(values, list) else [values])
        ]
        self.clear = changelist.get_query_string(remove=list(self.typed))
        yield from self.offer(changelist)

    def offer(self, changelist: ChangeList) -> Iterator[Any]:  # noqa: ARG002
        """Yield choices with `display`, `query_string` and `selected`."""
        yield from ()

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What the template makes inputs of."""
        return [
            {
                "name": name,
                "label": label,
                "value": self.typed[name],
                "error": self.errors.get(name, ""),
            }
            for name, label in self.parameters
        ]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
    ) -> QuerySet[Any]:
        if not any(self.typed.values()):
            return queryset
        condition = self.build_condition()
        return queryset.none() if self.errors else queryset.filter(condition)

    def build_condition(self) -> Q:
        """Return the condition of what was typed, or note its `errors`."""
        raise NotImplementedError


class OwnerFilter(FormFilter):
    """Rows of one user, project or virtual lab, by id."""

    field: ClassVar[str]

    def build_condition(self) -> Q:
        ((name, value),) = self.typed.items()
        try:
            return Q((self.field, uuid.UUID(value)))
        except ValueError:
            self.errors[name] = _("This is no id.")
            return Q()


def make_owner_filter(name: str, label: Any, field: str) -> type[OwnerFilter]:
    """Return a filter on a column of ids."""
    return type(
        f"{name.title()}Filter",
        (OwnerFilter,),
        {"title": label, "parameters": ((name, label),), "field": field},
    )


def make_owner_filters(prefix: str = "") -> tuple[type[OwnerFilter], ...]:
    """Return the filters on who a thread belongs to, which is `prefix` away."""
    return (
        make_owner_filter("user", gettext_lazy("user"), f"{prefix}user_id"),
        make_owner_filter("project", gettext_lazy("project"), f"{prefix}project_id"),
        make_owner_filter("vlab", gettext_lazy("virtual lab"), f"{prefix}vlab_id"),
    )


class DateFilter(FormFilter):
    """Rows of a range of days in the reader's zone, both included."""

    parameters = (("since", gettext_lazy("From")), ("until", gettext_lazy("To")))
    input_type = "date"
    field: ClassVar[str]

    def build_condition(self) -> Q:
        condition = Q()
        for name, lookup, days in (("since", "gte", 0), ("until", "lt", 1)):
            text = self.typed[name]
            if not text:
                continue
            try:
                day = parse_date(text)
                if day is None:
                    raise ValueError
                start = begin_day(datetime.combine(day, time()) + timedelta(days=days))
            except (ValueError, OverflowError):
                self.errors[name] = _("This is no date.")
                continue
            condition &= Q((f"{self.field}__{lookup}", start))
        return condition

    def offer(self, changelist: ChangeList) -> Iterator[Any]:
        today = timezone.localdate()
        for label, since in (
            (_("Any date"), None),
            (_("Today"), today),
            (_("Past 7 days"), today - timedelta(days=6)),
            (_("Past 30 days"), today - timedelta(days=29)),
        ):
            text = since.isoformat() if since else None
            yield {
                "selected": self.typed == {"since": text or "", "until": ""},
                "query_string": changelist.get_query_string(
                    {"since": text} if text else {}, ["since", "until"]
                ),
                "display": label,
            }


def begin_day(midnight: datetime) -> datetime:
    """Return when the day begins in the reader's zone."""
    return timezone.make_aware(midnight)


def make_date_filter(label: Any, field: str) -> type[DateFilter]:
    """Return a filter on a column of times, which should have an index."""
    return type("DayFilter", (DateFilter,), {"title": label, "field": field})


class ToolOutputFilter(FormFilter):
    """Messages of tools that contain a text, found by reading them one by one."""

    title = gettext_lazy("tool output (slow)")
    parameters = (("tool_output", gettext_lazy("Contains exactly")),)
    help_text = gettext_lazy(
        "Reads each message, the newest first; choose dates, a user or a project, too."
    )

    def build_condition(self) -> Q:
        text = self.typed["tool_output"]
        if NUL in text:
            self.errors["tool_output"] = _("This cannot be in a message.")
            return Q()
        condition = Q()
        for form in write_as_json(text):
            condition |= Q(content__contains=form)
        return Q(entity=Entity.TOOL) & condition


def write_as_json(text: str) -> set[str]:
    r"""Return the ways in which a text can stand in a message, which is JSON.

    What a tool returns is often JSON itself, so that quotes are written twice.

    >>> sorted(write_as_json("neurons"))
    ['neurons']
    >>> sorted(write_as_json('"é"')) == sorted(
    ...     ['"é"', '\\"é\\"', '\\\\\\"é\\\\\\"',
    ...      '\\"\\u00e9\\"', '\\\\\\"\\\\u00e9\\\\\\"'])
    True
    """
    forms = {text}
    for ascii_only in (False, True):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        forms |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
    return forms


class ModelFilter(admin.SimpleListFilter):
    """Rows of one language model, out of those that tokens were spent on."""

    title = gettext_lazy("model")
    parameter_name = "model"

    def lookups(
        self,
        request: HttpRequest,
        model_admin: admin.ModelAdmin[Any],
    ) -> list[tuple[str, str]]:
        database = model_admin.get_queryset(request).db
        return [(name, name) for name in fetch_models(database)]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
    ) -> QuerySet[Any] | None:
        name = self.value()
        if not name:
            return None
        if NUL in name:
            raise IncorrectLookupParameters
        return self.narrow(queryset, name)

    def narrow(self, queryset: QuerySet[Any], name: str) -> QuerySet[Any]:
        """Return the rows of that model."""
        return queryset.filter(model=name)


class ModelOfMessageFilter(ModelFilter):
    """Messages that one language model worked on."""

    def narrow(self, queryset: QuerySet[Any], name: str) -> QuerySet[Any]:
        return queryset.filter(pk__in=find_messages_of_model(queryset.db, name))


class ModelOfThreadFilter(ModelFilter):
    """Threads in which one language model worked on a message."""

    def narrow(self, queryset: QuerySet[Any], name: str) -> QuerySet[Any]:
        messages = Message.objects.using(queryset.db).filter(
            pk__in=find_messages_of_model(queryset.db, name)
        )
        return queryset.filter(pk__in=messages.values("thread_id"))


def find_messages_of_model(alias: str, name: str) -> QuerySet[Any]:
    """Return the ids of the messages that tokens of a model were spent on."""
    spent = TokenConsumption.objects.using(alias).filter(model=name)
    return spent.values("message_id")


def fetch_models(alias: str) -> list[str]:
    """Return the language models that tokens were spent on, in order."""
    with connections[alias].cursor() as cursor:
        cursor.execute(read_query("models"))
        return [name for (name,) in cursor.fetchall()]
