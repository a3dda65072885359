import json
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction

from neuroagent.models import Entity, Message, Thread, ToolCall
from tests.factories import (
    ComplexityEstimationFactory,
    MessageFactory,
    ThreadFactory,
    TokenConsumptionFactory,
    ToolCallFactory,
    ToolSelectionFactory,
)

pytestmark = pytest.mark.django_db


def fetch_vector(message: Message) -> object:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT search_vector::text FROM messages WHERE message_id = %s",
            [message.pk],
        )
        [(vector,)] = cursor.fetchall()
    return vector


def test_a_thread_starts_as_a_new_chat_with_an_id_and_dates() -> None:
    thread = Thread.objects.create(user_id=uuid.uuid4())
    thread.refresh_from_db()
    assert thread.title == "New chat"
    assert isinstance(thread.thread_id, uuid.UUID)
    assert thread.creation_date.tzinfo is not None
    assert thread.update_date >= thread.creation_date


def test_every_model_says_what_it_is() -> None:
    message = MessageFactory.create()
    date = f"{message.creation_date:%Y-%m-%d %H:%M:%S}"
    assert str(message) == f"USER at {date}"
    assert str(ThreadFactory.create(title="Purkinje cells")) == "Purkinje cells"
    call = ToolCallFactory.create(tool_call_id="call_1")
    assert str(call) == "literature-search (call_1)"
    assert str(ToolSelectionFactory.create()) == "literature-search"
    tokens = TokenConsumptionFactory.create()
    assert str(tokens) == "100 COMPLETION tokens of gpt-5-mini"
    assert str(ComplexityEstimationFactory.create()) == "3 (gpt-5-mini, LOW)"


def test_a_conversation_reads_in_order() -> None:
    thread = ThreadFactory.create()
    messages = MessageFactory.create_batch(4, thread=thread)
    assert list(thread.messages.all()) == messages


def test_deleting_a_thread_deletes_all_that_hangs_on_it() -> None:
    message = MessageFactory.create()
    for factory in (
        ToolCallFactory,
        ToolSelectionFactory,
        TokenConsumptionFactory,
        ComplexityEstimationFactory,
    ):
        factory.create(message=message)
    deleted, by_model = message.thread.delete()
    assert deleted == 6
    assert set(by_model.values()) == {1}


def test_the_database_itself_does_not_cascade() -> None:
    message = MessageFactory.create()
    with (
        pytest.raises(IntegrityError, match="messages_thread_id_fkey"),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "DELETE FROM threads WHERE thread_id = %s", [message.thread.thread_id]
        )


def test_the_database_refuses_a_message_without_its_thread_at_once() -> None:
    message = MessageFactory.build(thread=ThreadFactory.build())
    with pytest.raises(IntegrityError, match="messages_thread_id_fkey"):
        Message.objects.bulk_create([message])


@pytest.mark.parametrize("entity", [Entity.USER, Entity.AI_MESSAGE])
def test_the_trigger_indexes_what_people_and_the_assistant_say(entity: Entity) -> None:
    message = MessageFactory.create(entity=entity, text="Neurons were firing")
    assert fetch_vector(message) == "'fire':3 'neuron':1"


@pytest.mark.parametrize("entity", [Entity.TOOL, Entity.AI_TOOL])
def test_the_trigger_leaves_the_rest_empty_and_not_null(entity: Entity) -> None:
    assert fetch_vector(MessageFactory.create(entity=entity, text="neurons")) == ""


@pytest.mark.parametrize("content", ["{}", '{"content": null}', "[]", '"neuron"', "1"])
def test_the_trigger_takes_json_without_content_as_empty(content: str) -> None:
    assert fetch_vector(MessageFactory.create(content=content)) == ""


def test_the_trigger_overwrites_what_django_sends() -> None:
    message = MessageFactory.create(text="axons")
    message.refresh_from_db()
    message.content = json.dumps({"content": "dendrites"})
    message.save()
    assert fetch_vector(message) == "'dendrit':1"
    Message.objects.update(search_vector="'forged':1")
    assert fetch_vector(message) == "'dendrit':1"


def test_the_search_vector_is_not_editable() -> None:
    assert not Message._meta.get_field("search_vector").editable


def test_search_finds_any_form_of_a_word() -> None:
    message = MessageFactory.create(text="Which neurons are firing in the hippocampus?")
    MessageFactory.create(text="What is a synapse?")
    assert list(Message.objects.search("neuron fires")) == [message]
    assert list(Message.objects.search('"hippocampus neurons"')) == []
    assert Message.objects.search("neuron or synapses").count() == 2
    assert list(Message.objects.search("neuron -hippocampus")) == []


def test_search_does_not_read_tool_output() -> None:
    MessageFactory.create(entity=Entity.TOOL, text="hippocampus")
    assert not Message.objects.search("hippocampus").exists()


@pytest.mark.parametrize("words", ["", "the", '"', "' OR 1=1 --", "a & b | !", "\\"])
def test_search_survives_words_that_mean_nothing(words: str) -> None:
    MessageFactory.create(text="neuron")
    assert list(Message.objects.search(words)) == []
    assert list(Thread.objects.search(words)) == []


def test_ranked_search_puts_the_best_first() -> None:
    once = MessageFactory.create(text="A neuron, among many other things in the brain")
    often = MessageFactory.create(text="neuron neuron neuron")
    assert list(Message.objects.search("neuron", ranked=True)) == [often, once]


def test_search_is_chainable_with_filters() -> None:
    message = MessageFactory.create(text="neuron")
    MessageFactory.create(text="neuron")
    found = Message.objects.filter(thread=message.thread).search("neuron")
    assert list(found) == [message]


def test_thread_search_finds_each_thread_once() -> None:
    thread = ThreadFactory.create()
    MessageFactory.create_batch(3, thread=thread, text="granule cells")
    MessageFactory.create(text="basket cells")
    assert list(Thread.objects.search("granule")) == [thread]
    assert Thread.objects.search("cells").count() == 2


def test_search_can_use_the_gin_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off"
        )
    assert "ix_messages_search_vector" in Message.objects.search("neuron").explain()


BAD = {
    "text": "What is a neuron?",
    "empty": "",
    "cut off": '{"role": "user", "content": "Wh',
    "nan": '{"content": NaN}',
    "infinity": '{"content": -Infinity}',
    "null character": r'{"content": "a\u0000b"}',
    "raw null character": '{"content": "a\0b"}',
    "lone surrogate": r'{"content": "\ud83d!"}',
    "raw lone surrogate": '{"content": "\ud83d"}',
    "huge number": '{"content": 1e200000}',
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_message_that_is_not_json_is_refused_before_the_database_does(
    content: str,
) -> None:
    message = MessageFactory.build(thread=ThreadFactory.create(), content=content)
    for write in (
        message.full_clean,
        message.save,
        lambda: Message.objects.bulk_create([message]),
    ):
        with pytest.raises(ValidationError) as caught:
            write()
        assert "content" in caught.value.message_dict
    assert not Message.objects.exists()


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_the_database_would_have_refused_it(content: str) -> None:
    message = MessageFactory.create()
    with (
        pytest.raises((DataError, UnicodeEncodeError)),
        transaction.atomic(),
    ):
        Message.objects.filter(pk=message.pk).update(content=content)


def test_the_database_says_so_for_text_given_to_update() -> None:
    MessageFactory.create()
    with pytest.raises(DataError, match="invalid input syntax for type json"):
        Message.objects.update(content="not JSON")


def test_bulk_update_and_save_of_other_fields_check_the_message_too() -> None:
    message = MessageFactory.create(entity=Entity.TOOL, content="not JSON")
    message.entity = Entity.AI_MESSAGE
    with pytest.raises(ValidationError, match="Not JSON"):
        message.save(update_fields=["entity"])
    with pytest.raises(ValidationError, match="Not JSON"):
        Message.objects.bulk_update([message], ["entity"])


@pytest.mark.parametrize("entity", [Entity.TOOL, Entity.AI_TOOL])
def test_messages_of_tools_need_not_be_json(entity: Entity) -> None:
    message = MessageFactory.create(entity=entity, content="not JSON")
    message.full_clean()


def test_content_that_is_not_loaded_is_not_checked() -> None:
    MessageFactory.create()
    message = Message.objects.defer("content").get()
    message.is_complete = False
    message.save()
    assert "content" in message.get_deferred_fields()
    assert Message.objects.get().is_complete is False


def test_missing_content_is_said_to_be_missing() -> None:
    message = MessageFactory.build(thread=ThreadFactory.create(), content=None)
    with pytest.raises(ValidationError, match="cannot be null"):
        message.full_clean()
    with pytest.raises(IntegrityError, match='null value in column "content"'):
        message.save()


def test_arguments_of_a_tool_call_are_json() -> None:
    call = ToolCallFactory.build(message=MessageFactory.create(), arguments="{query:")
    for write in (
        call.full_clean,
        call.save,
        lambda: ToolCall.objects.bulk_create([call]),
    ):
        with pytest.raises(ValidationError) as caught:
            write()
        assert "arguments" in caught.value.message_dict


def test_a_tool_call_with_old_bad_arguments_can_still_be_validated() -> None:
    call = ToolCallFactory.create()
    ToolCall.objects.update(arguments="{query:")
    call.refresh_from_db()
    call.validated = True
    call.save(update_fields=["validated"])
    ToolCall.objects.bulk_update([call], ["validated"])
    with pytest.raises(ValidationError, match="Not JSON"):
        call.save()
    assert ToolCall.objects.get().validated is True
