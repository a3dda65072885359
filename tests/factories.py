"""Rows of every neuroagent model: `MessageFactory.create(entity=Entity.TOOL)`."""

import json
import uuid
from typing import Any

from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from neuroagent.models import (
    ComplexityEstimation,
    Entity,
    Message,
    ReasoningLevel,
    Task,
    Thread,
    TokenConsumption,
    TokenType,
    ToolCall,
    ToolSelection,
)

ROLES = {
    Entity.USER: "user",
    Entity.AI_TOOL: "assistant",
    Entity.TOOL: "tool",
    Entity.AI_MESSAGE: "assistant",
}


class ThreadFactory(DjangoModelFactory[Thread]):
    class Meta:
        model = Thread

    title = Sequence(lambda n: f"Thread {n}")
    creation_date = LazyFunction(timezone.now)
    update_date = LazyAttribute(lambda thread: thread.creation_date)
    user_id = LazyFunction(uuid.uuid4)


class MessageFactory(DjangoModelFactory[Message]):
    """A message that says `text`, in the JSON of its entity."""

    class Meta:
        model = Message

    class Params:
        text = Sequence(lambda n: f"What do neurons do, question {n}?")

    thread = SubFactory(ThreadFactory)
    entity = Entity.USER
    creation_date = LazyFunction(timezone.now)

    @LazyAttribute
    def content(self: Any) -> str:
        return json.dumps({"role": ROLES[Entity(self.entity)], "content": self.text})


class ToolCallFactory(DjangoModelFactory[ToolCall]):
    class Meta:
        model = ToolCall

    tool_call_id = Sequence(lambda n: f"call_{n:024x}")
    name = "literature-search"
    arguments = '{"query": "pyramidal cells"}'
    message = SubFactory(MessageFactory, entity=Entity.AI_TOOL, text="")


class ToolSelectionFactory(DjangoModelFactory[ToolSelection]):
    class Meta:
        model = ToolSelection

    message = SubFactory(MessageFactory)
    tool_name = "literature-search"


class TokenConsumptionFactory(DjangoModelFactory[TokenConsumption]):
    class Meta:
        model = TokenConsumption

    message = SubFactory(MessageFactory, entity=Entity.AI_MESSAGE)
    type = TokenType.COMPLETION
    task = Task.CHAT_COMPLETION
    count = 100
    model = "gpt-5-mini"


class ComplexityEstimationFactory(DjangoModelFactory[ComplexityEstimation]):
    class Meta:
        model = ComplexityEstimation

    message = SubFactory(MessageFactory)
    complexity = 3
    model = "gpt-5-mini"
    reasoning = ReasoningLevel.LOW
