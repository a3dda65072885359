"""A thread as the conversation it is: a page of it, in a handful of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    F,
    Func,
    IntegerField,
    Q,
    QuerySet,
)
from django.db.models.functions import Left

from neuroagent.admin.content import (
    SHOWN_CHARS,
    read_content,
    read_text,
)
from neuroagent.admin.paging import Order, Page, fetch_page
from neuroagent.admin.totals import find_label
from neuroagent.admin.turns import Call, ConversationPage, Rights, Turn
from neuroagent.models import (
    ComplexityEstimation,
    Entity,
    Message,
    Task,
    Thread,
    TokenConsumption,
    TokenType,
    ToolCall,
    ToolSelection,
)

PAGE_SIZE = 50
ORDER = Order(("creation_date", "message_id"))


def fetch_conversation(
    thread: Thread, token: str, rights: Rights, *, start: UUID | None = None
) -> ConversationPage:
    """Return a page of a thread, or the one that begins with the message `start`.

    Raises: BadPageError.
    """
    alias = thread._state.db  # noqa: SLF001  Django's own way to tell.
    of_thread = Message.objects.using(alias).filter(thread_id=thread.pk)
    page = fetch_messages(of_thread, token, start)
    count, before = count_messages(of_thread, page)
    turns = [build_turn(each) for each in page.rows]
    keys = [turn.key for turn in turns]
    turns = attach_parts(turns, fetch_parts(alias, keys, rights))
    return ConversationPage(
        turns=tuple(fold_results(turns)),
        count=count,
        first=before + 1 if turns else 0,
        previous=page.previous,
        next=page.next,
    )


def fetch_messages(
    of_thread: QuerySet[Message], token: str, start: UUID | None
) -> Page[Message]:
    """Return a page of messages that have the beginning of their content alone."""
    rows = of_thread.defer("content", "search_vector").annotate(
        beginning=Left("content", SHOWN_CHARS),
        size_bytes=Func(
            F("content"), function="octet_length", output_field=IntegerField()
        ),
    )
    if start is not None and not token:
        since = of_thread.filter(pk=start).only("creation_date", "message_id").first()
        if since is not None:
            # The page after the message before this one.
            earlier = ORDER.reverse()
            before = (
                of_thread.filter(
                    earlier.build_condition((since.creation_date, since.pk))
                )
                .order_by(*earlier.names)
                .only("creation_date", "message_id")
                .first()
            )
            token = ORDER.write_token("after", before) if before else ""
    return fetch_page(rows, ORDER, token, size=PAGE_SIZE)


def count_messages(
    of_thread: QuerySet[Message], page: Page[Message]
) -> tuple[int, int]:
    """Return how many messages there are, and how many come before the page.

    Both are counted in the index on (thread_id, creation_date).
    """
    if page.previous is None and page.next is None:
        return len(page.rows), 0
    first = page.rows[0]
    values = (first.creation_date, first.pk)
    found = of_thread.aggregate(
        count=Count("*"),
        before=Count("creation_date", filter=ORDER.reverse().build_condition(values)),
    )
    return found["count"], found["before"]


def build_turn(message: Any) -> Turn:
    """Return a message without what hangs on it."""
    beginning: str = message.beginning
    is_cut = message.size_bytes > len(beginning.encode("utf-8", "replace"))
    return Turn(
        key=message.pk,
        entity=message.entity,
        label=message.get_entity_display(),
        created=message.creation_date,
        is_complete=message.is_complete,
        content=read_content(beginning, is_cut=is_cut),
        size_bytes=message.size_bytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What hangs on the messages of a page, by message."""

    calls: dict[UUID, list[Call]]
    offered: dict[UUID, list[str]]
    estimations: dict[UUID, list[ComplexityEstimation]]
    spent: dict[UUID, list[dict[str, Any]]]


def fetch_parts(alias: str | None, keys: Sequence[UUID], rights: Rights) -> Parts:
    """Return what hangs on the messages, one query a table."""
    of_page = Q(message_id__in=keys)
    nothing = Q(pk__in=())
    calls = ToolCall.objects.using(alias).filter(
        of_page if rights.tool_calls else nothing
    )
    selections = ToolSelection.objects.using(alias).filter(
        of_page if rights.tool_selections else nothing
    )
    estimations = ComplexityEstimation.objects.using(alias).filter(
        of_page if rights.estimations else nothing
    )
    spent = TokenConsumption.objects.using(alias).filter(
        of_page if rights.tokens else nothing
    )
    return Parts(
        calls=group(
            (call.message_id, build_call(call))
            for call in calls.defer("arguments").annotate(
                beginning=Left("arguments", SHOWN_CHARS + 1)
            )
        ),
        offered=group(
            selections.order_by("tool_name").values_list("message_id", "tool_name")
        ),
        estimations=group((each.message_id, each) for each in estimations),
        spent=group(
            (each["message_id"], label_spent(dict(each)))
            for each in spent.order_by("model", "task", "type").values(
                "message_id", "model", "task", "type", "count"
            )
        ),
    )


def group(pairs: Iterable[tuple[UUID, Any]]) -> dict[UUID, list[Any]]:
    """Return the values by key, in their order."""
    grouped: dict[UUID, list[Any]] = defaultdict(list)
    for key, value in pairs:
        grouped[key].append(value)
    return grouped


def build_call(call: Any) -> Call:
    """Return a tool call without its result."""
    beginning: str = call.beginning
    return Call(
        key=call.pk,
        name=call.name,
        validated=call.validated,
        arguments=read_text(
            beginning[:SHOWN_CHARS], is_cut=len(beginning) > SHOWN_CHARS
        ),
    )


def label_spent(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of tokens with labels in place of enum labels."""
    return {
        **row,
        "task": find_label(Task, row["task"]),
        "type": find_label(TokenType, row["type"]),
    }


def attach_parts(turns: Sequence[Turn], parts: Parts) -> list[Turn]:
    """Return the messages with what hangs on them."""
    attached = []
    for turn in turns:
        asked = {key: place for place, key in enumerate(turn.content.call_ids)}
        spent = tuple(parts.spent.get(turn.key, ()))
        attached.append(
            replace(
                turn,
                calls=tuple(
                    sorted(
                        parts.calls.get(turn.key, ()),
                        key=lambda call: asked.get(call.key, len(asked)),
                    )
                ),
                offered=tuple(parts.offered.get(turn.key, ())),
                estimations=tuple(parts.estimations.get(turn.key, ())),
                spent=spent,
                tokens=sum(each["count"] for each in spent),
            )
        )
    return attached


def fold_results(turns: Sequence[Turn]) -> list[Turn]:
    """Return the messages with the results of tools under the calls they belong to.

    A result whose call is not on the page stays where it is.
    """
    called = {call.key for turn in turns for call in turn.calls}
    results = {
        turn.content.call_id: turn
        for turn in turns
        if turn.entity == Entity.TOOL and turn.content.call_id in called
    }
    folded = {turn.key for turn in results.values()}
    return [
        replace(
            turn,
            calls=tuple(
                replace(call, result=results.get(call.key)) for call in turn.calls
            ),
        )
        for turn in turns
        if turn.key not in folded
    ]
