import doctest
import io
import json
from itertools import islice
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Q

from neuroagent import demo
from neuroagent.demo import generate_conversations
from neuroagent.demo_rows import Conversation
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
from neuroagent.validators import validate_jsonb
from tests.neuroagent.conftest import NewDatabase


def generate(
    *, seed: int = 1, threads: int = 60, messages_per_thread: int = 8
) -> list[Conversation]:
    return list(
        generate_conversations(
            seed=seed, threads=threads, messages_per_thread=messages_per_thread
        )
    )


def run(**options: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("neuroagent_demo", stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_the_same_seed_gives_the_same_rows() -> None:
    assert generate() == generate()
    assert generate(threads=90)[:60] == generate()


def test_another_seed_gives_other_ids() -> None:
    one = {each.thread.thread_id for each in generate(seed=1)}
    two = {each.thread.thread_id for each in generate(seed=2)}
    assert len(one) == len(two) == 60
    assert not one & two


def test_the_first_thread_depends_on_the_seed_alone() -> None:
    [short] = generate(threads=1, messages_per_thread=2)
    [long] = generate(threads=1, messages_per_thread=500)
    assert short.thread.thread_id == long.thread.thread_id


def test_conversations_are_short_and_long_and_near_the_average() -> None:
    sizes = [len(each.messages) for each in generate(threads=600)]
    assert min(sizes) == 2
    assert max(sizes) > 40
    assert 7 < sum(sizes) / len(sizes) < 11


def test_conversations_are_generated_as_they_are_asked_for() -> None:
    endless = generate_conversations(seed=1, threads=10**12, messages_per_thread=8)
    assert len(list(islice(endless, 3))) == 3


def test_time_only_moves_forward_in_a_conversation() -> None:
    for conversation in generate():
        dates = [message.creation_date for message in conversation.messages]
        assert dates == sorted(dates)
        assert conversation.thread.creation_date < dates[0]
        assert conversation.thread.update_date == dates[-1]


def test_every_tool_call_is_asked_for_and_answered() -> None:
    for conversation in generate():
        asked, answered = [], []
        for message in conversation.messages:
            content = json.loads(message.content)
            if message.entity == Entity.AI_TOOL:
                asked += [
                    (each["id"], each["function"]["name"], message.message_id)
                    for each in content["tool_calls"]
                ]
            elif message.entity == Entity.TOOL:
                answered.append((content["tool_call_id"], content["tool_name"]))
        calls = conversation.tool_calls
        assert [(c.tool_call_id, c.name, c.message_id) for c in calls] == asked
        assert [(call.tool_call_id, call.name) for call in calls] == answered


def test_all_json_is_what_the_database_takes() -> None:
    for conversation in generate():
        for message in conversation.messages:
            validate_jsonb(message.content)
        for call in conversation.tool_calls:
            validate_jsonb(call.arguments)


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(demo).failed == 0


@pytest.mark.django_db
def test_fills_all_six_tables() -> None:
    out, err = run(threads=60, seed=7)
    counts = {
        model._meta.db_table: model._default_manager.count()
        for model in (
            Thread,
            Message,
            ToolCall,
            ToolSelection,
            TokenConsumption,
            ComplexityEstimation,
        )
    }
    rows = ", ".join(f"{count:,} {table}" for table, count in counts.items())
    assert counts["threads"] == 60
    assert out.startswith(f'added to "default" from seed 7: {rows}, in ')
    assert out.count("\n") == 1
    assert err == f"60 of 60 threads, {counts['messages']:,} messages\n"


@pytest.mark.django_db
def test_rows_are_varied_and_searchable() -> None:
    run(threads=300)
    said = Q(entity__in=[Entity.USER, Entity.AI_MESSAGE])
    assert Message.objects.filter(said, search_vector="").count() == 0
    assert set(Message.objects.values_list("entity", flat=True)) == set(Entity.values)
    assert set(Message.objects.values_list("is_complete", flat=True)) == {True, False}
    tokens = TokenConsumption.objects.order_by()
    assert set(tokens.values_list("type", flat=True)) == set(TokenType.values)
    assert set(tokens.values_list("task", flat=True)) == set(Task.values)
    assert tokens.aggregate(n=Count("model", distinct=True))["n"] > 2
    calls = ToolCall.objects.order_by()
    assert set(calls.values_list("validated", flat=True)) == {True, False, None}
    total = Message.objects.filter(said).count()
    for words in ("hippocampus", "pyramidal cell", '"gamma oscillations"', "simulate"):
        assert 0 < Message.objects.search(words).count() < total / 2
        assert Thread.objects.search(words).count() > 0


@pytest.mark.django_db
def test_each_query_has_one_estimation_and_only_queries_do() -> None:
    run(threads=30)
    by_entity = Message.objects.values_list("entity").annotate(
        messages=Count("pk", distinct=True),
        estimations=Count("complexity_estimations"),
    )
    for entity, messages, estimations in by_entity.order_by("entity"):
        assert estimations == (messages if entity == Entity.USER else 0)


@pytest.mark.django_db
def test_refuses_a_seed_that_is_already_there() -> None:
    run(threads=3)
    with pytest.raises(CommandError) as caught:
        run(threads=2, messages_per_thread=30)
    assert str(caught.value) == (
        'demo data of seed 1 is already in database "default"\n'
        "use another --seed, or delete its threads"
    )
    assert caught.value.returncode == 4
    assert Thread.objects.count() == 3


@pytest.mark.django_db
def test_leaves_nothing_behind_when_a_later_row_is_already_there() -> None:
    first, *_ = generate(threads=3, messages_per_thread=12)
    run(threads=3)
    Thread.objects.get(pk=first.thread.thread_id).delete()
    with pytest.raises(CommandError, match="demo data of seed 1 is already in"):
        run(threads=3)
    assert Thread.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "--threads must be 1 or more, not 0"),
        ({"threads": -5}, "--threads must be 1 or more, not -5"),
        (
            {"messages_per_thread": 1},
            "--messages-per-thread must be 2 or more, not 1",
        ),
        ({"seed": -1}, "--seed must be 0 or more, not -1"),
    ],
)
def test_refuses_numbers_that_make_no_sense(
    options: dict[str, int], message: str
) -> None:
    with pytest.raises(CommandError) as caught:
        run(**options)
    assert (str(caught.value), caught.value.returncode) == (message, 2)
    assert not Thread.objects.exists()


def test_names_the_next_command_when_tables_are_missing(
    new_database: NewDatabase,
) -> None:
    with new_database("bare"), pytest.raises(CommandError) as caught:
        run(database="bare")
    assert str(caught.value) == (
        'table "threads" is not in database "bare"\n'
        "run: manage.py dbops_deploy --database bare"
    )
    assert caught.value.returncode == 4
