"""Tokens: what each message cost, and an overview of who spent how many on what."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neuroagent.admin.access import choose_database, reading, render_now
from neuroagent.admin.charts import Rect, columns
from neuroagent.admin.display import show_count
from neuroagent.admin.filters import ChoiceFilter, ModelFilter
from neuroagent.admin.parts import MessagePartAdmin
from neuroagent.admin.spending import Filters, Spending, fetch_spending
from neuroagent.admin.totals import (
    Spent,
    Table,
    build_table,
    find_label,
    find_types,
    sum_by_name,
)
from neuroagent.models import Message, Task, TokenConsumption

PERIODS = (1, 7, 30, 90)
DEFAULT_PERIOD = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the overview is asked for."""

    days: int
    last_day: date
    user: uuid.UUID | None
    model: str | None
    task: str | None
    fresh: bool
    """Whether all has to be as it is now, and no sums of days that are over."""

    @property
    def first_day(self) -> date:
        """The first of the days."""
        return self.last_day - timedelta(days=self.days - 1)

    def write(self, **changes: Any) -> str:
        """Return the question as the address has it, with changes."""
        asked = {
            "days": self.days,
            "until": self.last_day,
            "user": self.user,
            "model": self.model,
            "task": self.task,
            "fresh": int(self.fresh),
            **changes,
        }
        return f"?{urlencode({key: value for key, value in asked.items() if value})}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Tokens of a period."""

    tables: tuple[Table, ...]
    chart: tuple[Rect, ...]
    total: int
    summed_days: int
    """Days that are as they were `as_of`; the others are as they are now."""
    as_of: datetime | None


def read_question(parameters: Mapping[str, str], alias: str) -> Question:
    """Return what is asked for; what makes no sense is left out.

    Without a last day it is the one of the newest message.
    """
    days = parameters.get("days", "")
    try:
        last_day = parse_date(parameters.get("until", ""))
        user = uuid.UUID(parameters["user"]) if parameters.get("user") else None
    except ValueError:
        last_day = user = None
    task = parameters.get("task", "")
    model = parameters.get("model", "").replace("\0", "")
    return Question(
        days=int(days) if days in map(str, PERIODS) else DEFAULT_PERIOD,
        last_day=limit_day(last_day or find_newest_day(alias)),
        user=user,
        model=model or None,
        task=task if task in Task.values else None,
        fresh=parameters.get("fresh") == "1",
    )


def limit_day(day: date) -> date:
    """Return a day that can be counted back and forth from."""
    return min(max(day, date(1970, 1, 1)), date(2999, 12, 31))


def find_newest_day(alias: str) -> date:
    """Return the day of the newest message, or today."""
    newest = (
        Message.objects.using(alias)
        .order_by("-creation_date", "-message_id")
        .values_list("creation_date", flat=True)
        .first()
    )
    return timezone.localdate(newest)


def begin(day: date) -> datetime:
    """Return when the day begins in the reader's zone."""
    return timezone.make_aware(datetime.combine(day, time()))


def fetch_overview(question: Question, alias: str) -> Overview:
    """Return the tokens of a period, in one pass over it."""
    days = [question.first_day + timedelta(days=n) for n in range(question.days + 1)]
    filters = Filters(user=question.user, model=question.model, task=question.task)
    found = fetch_spending(alias, list(map(begin, days)), filters, fresh=question.fresh)
    spent: dict[str, list[Spent]] = {"day": [], "user": [], "model": [], "task": []}
    for number, user, model, task, kind, count in found.rows:
        day = None if number is None else days[number - 1]
        for name, key in zip(spent, (day, user, model, task), strict=True):
            if key is not None:
                spent[name].append(Spent(name=str(key), type=kind, count=count))
    return build_overview(question, spent, found)


def build_overview(
    question: Question, spent: dict[str, list[Spent]], found: Spending
) -> Overview:
    """Return the sums as tables and a chart."""
    labels = {value: find_label(Task, value) for value in Task.values}
    tasks = [
        Spent(name=find_label(Task, each.name), type=each.type, count=each.count)
        for each in spent["task"]
    ]
    models = {each.name: question.write(model=each.name) for each in spent["model"]}
    users = {each.name: question.write(user=each.name) for each in spent["user"]}
    task_urls = {label: question.write(task=key) for key, label in labels.items()}
    others = _("all others")
    return Overview(
        tables=(
            build_table(_("By model"), spent["model"], others=others, urls=models),
            build_table(_("By task"), tasks, others=others, urls=task_urls),
            build_table(_("By user"), spent["user"], others=others, urls=users),
            build_table(_("By day"), spent["day"], others=others),
        ),
        chart=draw_days(question, spent["day"]),
        total=sum(each.count for each in tasks),
        summed_days=found.summed_days,
        as_of=found.as_of,
    )


def draw_days(question: Question, spent: list[Spent]) -> tuple[Rect, ...]:
    """Return a bar for each day, also for those without tokens."""
    sums = sum_by_name(spent)
    nothing = dict.fromkeys(find_types(spent), 0)
    bars = []
    for number in range(question.days):
        day = str(question.first_day + timedelta(days=number))
        parts = sums.get(day, nothing)
        bars.append((f"{day}: {show_count(sum(parts.values()))}", parts))
    return columns(bars)


@admin.register(TokenConsumption)
class TokenConsumptionAdmin(MessagePartAdmin):
    """Tokens spent, by type and task."""

    list_display = ("id", "model", "task", "type", "count", "in_conversation")
    list_filter = (("task", ChoiceFilter), ("type", ChoiceFilter), ModelFilter)
    id_lookups = ("id", "message_id")
    word_lookups = ("model",)
    inspection_fields = ("id", "model", "task", "type", "count", "in_conversation")
    search_help_text = gettext_lazy(
        "The whole name of a model, or the id of a row or message."
    )

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "overview/",
                self.admin_site.admin_view(self.overview_view),
                name="neuroagent_tokenconsumption_overview",
            ),
            *super().get_urls(),
        ]

    def overview_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show who spent how many tokens on what, in a period."""
        self.check_may_view(request)
        alias = choose_database()
        with reading(request):
            question = read_question(request.GET, alias)
            context = {
                **self.admin_site.each_context(request),
                "title": _("Tokens spent"),
                "opts": self.opts,
                "question": question,
                "overview": fetch_overview(question, alias),
                "periods": [
                    (days, question.write(days=days), days == question.days)
                    for days in PERIODS
                ],
                "earlier": question.write(until=question.first_day - timedelta(days=1)),
                "later": question.write(
                    until=question.last_day + timedelta(days=question.days)
                ),
                "filters": find_filters(question),
                "fresh": question.write(fresh=1),
                "summed": question.write(fresh=0),
            }
            template = "admin/neuroagent/tokenconsumption/overview.html"
            return render_now(TemplateResponse(request, template, context))


def find_filters(question: Question) -> list[tuple[str, str, str]]:
    """Return label, value and the address without it, for what is narrowed down."""
    task = find_label(Task, question.task) if question.task else None
    return [
        (label, str(value), question.write(**{key: None}))
        for key, label, value in (
            ("user", _("user"), question.user),
            ("model", _("model"), question.model),
            ("task", _("task"), task),
        )
        if value
    ]
