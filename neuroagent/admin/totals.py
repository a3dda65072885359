"""Sums of tokens, as tables with bars."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Choices, Sum
from django.utils.translation import gettext as _

from neuroagent.admin.charts import Rect, stack
from neuroagent.models import Task, Thread, TokenConsumption, TokenType

OTHERS_AFTER = 20
"""Lines of a table; those with fewer tokens are one line together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Tokens of one type, spent on one thing."""

    name: str
    type: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The tokens spent on one thing."""

    name: str
    counts: tuple[int, ...]
    """By type, in the order of the table's."""
    total: int
    share: str
    """Of all, in per cent."""
    bar: tuple[Rect, ...]
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The tokens of one type."""

    kind: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The tokens spent, by one thing."""

    title: str
    types: tuple[tuple[str, str], ...]
    """Those of tokens, each with its label."""
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(line.total for line in self.lines)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them, by type."""
        counts = map(sum, zip(*(line.counts for line in self.lines), strict=True))
        return tuple(
            Part(kind=kind, label=label, count=count)
            for (kind, label), count in zip(self.types, counts, strict=True)
        )

    @property
    def bar(self) -> tuple[Rect, ...]:
        """All of them as one bar."""
        return stack({part.kind: part.count for part in self.parts}, largest=self.total)


def find_types(spent: Iterable[Spent]) -> list[str]:
    """Return the types of tokens, in the end those that only the database knows."""
    known = TokenType.values
    return known + sorted({each.type for each in spent}.difference(known))


def sum_by_name(spent: Collection[Spent]) -> dict[str, dict[str, int]]:
    """Return the tokens by name, then by type, with all types in order."""
    types = find_types(spent)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(types, 0))
    for each in spent:
        sums[each.name][each.type] += each.count
    return dict(sums)


def build_table(
    title: str,
    spent: Collection[Spent],
    *,
    others: str,
    urls: Mapping[str, str] | None = None,
) -> Table:
    """Return a table with the most tokens first, and those after `others`."""
    types = find_types(spent)
    sums = sum_by_name(spent)
    ordered = sorted(sums, key=lambda name: (-sum(sums[name].values()), name))
    kept, left = ordered[:OTHERS_AFTER], ordered[OTHERS_AFTER:]
    if left:
        sums[others] = {kind: sum(sums[name][kind] for name in left) for kind in types}
        kept.append(others)
    totals = {name: sum(sums[name].values()) for name in kept}
    everything, largest = sum(totals.values()), max(totals.values(), default=0)
    return Table(
        title=title,
        types=tuple((kind, find_label(TokenType, kind)) for kind in types),
        lines=tuple(
            Line(
                name=name,
                counts=tuple(sums[name].values()),
                total=totals[name],
                share=f"{100 * totals[name] / everything:.0f}" if everything else "0",
                bar=stack(sums[name], largest=largest),
                url=(urls or {}).get(name, ""),
            )
            for name in kept
        ),
    )


def find_label(choices: type[Choices], value: str) -> str:
    """Return the label of an enum's value, and the value if it has none."""
    return str(dict(choices.choices).get(value, value))


def fetch_totals(thread: Thread) -> tuple[Table, ...]:
    """Return the tokens of a whole thread by model, task and type."""
    rows = list(
        TokenConsumption.objects.using(thread._state.db)  # noqa: SLF001
        .filter(message__thread_id=thread.pk)
        .order_by()
        .values("model", "task", "type")
        .annotate(total=Sum("count"))
    )
    if not rows:
        return ()
    names = {
        _("By model"): [row["model"] for row in rows],
        _("By task"): [find_label(Task, row["task"]) for row in rows],
        _("By type"): [find_label(TokenType, row["type"]) for row in rows],
    }
    return tuple(
        build_table(
            title,
            [
                Spent(name=name, type=row["type"], count=row["total"])
                for name, row in zip(labels, rows, strict=True)
            ],
            others=_("all others"),
        )
        for title, labels in names.items()
    )
