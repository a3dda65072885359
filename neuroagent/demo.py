"""Made-up conversations about neuroscience: values in, rows out.

The same seed gives the same rows, in any process and whatever else is asked for, up
to the number of threads.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from neuroagent import vocabulary
from neuroagent.demo_rows import (
    ComplexityEstimationRow,
    Conversation,
    MessageRow,
    ThreadRow,
    TokenConsumptionRow,
    ToolCallRow,
    ToolSelectionRow,
)

FIRST_DAY = datetime(2025, 3, 3, 8, tzinfo=UTC)

PROJECT_SHARE = 0.8
UNTITLED_SHARE = 0.1
CUT_OFF_SHARE = 0.01
CONSENT_SHARE = 0.9
HALF_A_TURN = 2
"""Messages. Ending when a conversation is nearly long enough keeps the average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What the assistant can ask for."""

    name: str
    arguments: Callable[["Author"], dict[str, object]]
    needs_consent: bool = False
    calls_model: bool = False


TOOLS = (
    Tool(
        name="literature-search",
        arguments=lambda author: {
            "query": author.write("{property} {cell} {region}"),
            "article_number": author.rng.randint(3, 10),
        },
        calls_model=True,
    ),
    Tool(
        name="resolve-brain-region",
        arguments=lambda author: {
            "brain_region": author.rng.choice(vocabulary.REGIONS)
        },
    ),
    Tool(
        name="get-morphologies",
        arguments=lambda author: {
            "brain_region": author.rng.choice(vocabulary.REGIONS),
            "mtype": author.rng.choice(vocabulary.CELLS),
            "species": author.rng.choice(vocabulary.SPECIES),
        },
    ),
    Tool(
        name="get-electrical-recordings",
        arguments=lambda author: {
            "etype": author.rng.choice(("bAC", "cADpyr", "cNAC", "dSTUT")),
            "limit": author.rng.randint(1, 50),
        },
    ),
    Tool(
        name="run-single-cell-simulation",
        arguments=lambda author: {
            "me_model_id": str(author.make_uuid()),
            "conductance": {
                author.rng.choice(vocabulary.CHANNELS): author.rng.randint(1, 40)
            },
            "duration_ms": author.rng.choice((200, 1000, 3000)),
        },
        needs_consent=True,
    ),
    Tool(
        name="generate-plot",
        arguments=lambda author: {
            "title": author.write("{property} of {cell}"),
            "values": [author.rng.randint(1, 99) for _ in range(6)],
        },
    ),
)


def generate_conversations(
    *, seed: int, threads: int, messages_per_thread: int
) -> Iterator[Conversation]:
    """Yield `threads` conversations, the oldest first.

    They have about `messages_per_thread` messages on average; many are much shorter
    and a few much longer. The first thread's id depends on the seed alone.

    >>> one, two = generate_conversations(seed=1, threads=2, messages_per_thread=6)
    >>> one.thread.creation_date < two.thread.creation_date
    True
    >>> one.messages[0].entity, one.messages[-1].entity
    ('USER', 'AI_MESSAGE')
    """
    author = Author(Random(seed))  # noqa: S311
    for _ in range(threads):
        yield author.write_conversation(messages_per_thread)


@dataclass(slots=True)
class Author:
    """Writes one conversation after the other, with time passing in between."""

    rng: Random
    now: datetime = FIRST_DAY
    users: list[UUID] = field(init=False)
    projects: list[tuple[UUID, UUID]] = field(init=False)

    def __post_init__(self) -> None:
        self.users = [self.make_uuid() for _ in range(40)]
        labs = [self.make_uuid() for _ in range(5)]
        self.projects = [(self.rng.choice(labs), self.make_uuid()) for _ in range(12)]

    def make_uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def write(self, template: str) -> str:
        """Return the template with each placeholder filled by one of its words."""
        pick = self.rng.choice
        return template.format(
            region=pick(vocabulary.REGIONS),
            region2=pick(vocabulary.REGIONS),
            cell=pick(vocabulary.CELLS),
            cell2=pick(vocabulary.CELLS),
            property=pick(vocabulary.PROPERTIES),
            property2=pick(vocabulary.PROPERTIES),
            method=pick(vocabulary.METHODS),
            channel=pick(vocabulary.CHANNELS),
            species=pick(vocabulary.SPECIES),
            condition=pick(vocabulary.CONDITIONS),
            unit=pick(vocabulary.UNITS),
            number=self.rng.randint(10, 999) / 10,
            count=self.rng.randint(11, 99),
        )

    def write_answer(self) -> str:
        """Return one to eight sentences."""
        templates = self.rng.sample(vocabulary.STATEMENTS, self.rng.randint(1, 8))
        return " ".join(self.write(each) for each in templates)

    def write_conversation(self, mean_size: int) -> Conversation:
        """Return a conversation with `mean_size` messages on average."""
        thread_id = self.make_uuid()
        self.pass_time(1200)
        started = self.now
        draft = Draft(author=self, thread_id=thread_id)
        # The mean of a log-normal with sigma 1 is exp(mu + 1/2).
        size = self.rng.lognormvariate(math.log(mean_size) - 0.5, 1)
        first_question = self.write(self.rng.choice(vocabulary.QUESTIONS))
        draft.add_turn(first_question)
        while len(draft.messages) + HALF_A_TURN < size:
            opening = self.rng.choice(vocabulary.FOLLOW_UPS)
            question = self.write(self.rng.choice(vocabulary.QUESTIONS))
            draft.add_turn(f"{opening} {question}".strip())
        ended, self.now = self.now, started
        vlab_id, project_id = (
            self.rng.choice(self.projects)
            if self.rng.random() < PROJECT_SHARE
            else (None, None)
        )
        return draft.finish(
            ThreadRow(
                thread_id=thread_id,
                vlab_id=vlab_id,
                project_id=project_id,
                title=self.make_title(first_question),
                creation_date=started,
                update_date=ended,
                user_id=self.rng.choice(self.users),
            )
        )

    def make_title(self, question: str) -> str:
        """Return what a model would have called the thread, had it been asked."""
        if self.rng.random() < UNTITLED_SHARE:
            return "New chat"
        return question.rstrip("?.").removesuffix(", please")

    def pass_time(self, mean_s: float) -> None:
        self.now += timedelta(seconds=1 + self.rng.expovariate(1 / mean_s))


@dataclass(slots=True, kw_only=True)
class Draft:
    """A conversation while it is being written."""

    author: Author
    thread_id: UUID
    messages: list[MessageRow] = field(default_factory=list)
    tool_calls: list[ToolCallRow] = field(default_factory=list)
    tool_selections: list[ToolSelectionRow] = field(default_factory=list)
    token_consumption: list[TokenConsumptionRow] = field(default_factory=list)
    complexity_estimations: list[ComplexityEstimationRow] = field(default_factory=list)

    def finish(self, thread: ThreadRow) -> Conversation:
        return Conversation(
            thread=thread,
            messages=tuple(self.messages),
            tool_calls=tuple(self.tool_calls),
            tool_selections=tuple(self.tool_selections),
            token_consumption=tuple(self.token_consumption),
            complexity_estimations=tuple(self.complexity_estimations),
        )

    def add_turn(self, question: str) -> None:
        """Add a question, the tools used for it, and its answer."""
        rng = self.author.rng
        model = rng.choice(vocabulary.MODELS)
        self.add_question(question, model)
        for _ in range(rng.choices((0, 1, 2, 3), (50, 30, 15, 5))[0]):
            self.add_tool_round(rng.sample(TOOLS, rng.randint(1, 3)), model)
        self.author.pass_time(12)
        content = {"role": "assistant", "content": self.author.write_answer()}
        answer = self.add_message(
            "AI_MESSAGE", content, complete=rng.random() > CUT_OFF_SHARE
        )
        self.add_tokens(answer, "CHAT_COMPLETION", model)

    def add_question(self, question: str, model: str) -> None:
        """Add a user's message, with what was decided on how to answer it."""
        rng = self.author.rng
        self.author.pass_time(90)
        message_id = self.add_message("USER", {"role": "user", "content": question})
        offered = rng.sample(TOOLS, rng.randint(0, len(TOOLS)))
        self.tool_selections += [
            ToolSelectionRow(
                id=self.author.make_uuid(), message_id=message_id, tool_name=tool.name
            )
            for tool in offered
        ]
        if offered:
            self.add_tokens(message_id, "TOOL_SELECTION", vocabulary.MODELS[0])
        self.complexity_estimations.append(
            ComplexityEstimationRow(
                id=self.author.make_uuid(),
                complexity=rng.choice((None, *range(1, 11))),
                model=model,
                reasoning=rng.choice(vocabulary.REASONING),
                message_id=message_id,
            )
        )

    def add_tool_round(self, tools: list[Tool], model: str) -> None:
        """Add the message that asks for tools, its calls, and their results."""
        self.author.pass_time(4)
        calls = [
            (self.make_call_id(), tool, json.dumps(tool.arguments(self.author)))
            for tool in tools
        ]
        request = {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": call_id,
                    "type": "function",
                    "function": {"name": tool.name, "arguments": arguments},
                }
                for call_id, tool, arguments in calls
            ],
        }
        message_id = self.add_message("AI_TOOL", request)
        self.add_tokens(message_id, "CHAT_COMPLETION", model)
        for call_id, tool, arguments in calls:
            accepted = (
                self.author.rng.random() < CONSENT_SHARE if tool.needs_consent else None
            )
            self.tool_calls.append(
                ToolCallRow(
                    tool_call_id=call_id,
                    name=tool.name,
                    arguments=arguments,
                    validated=accepted,
                    message_id=message_id,
                )
            )
            self.add_tool_result(call_id, tool, refused=accepted is False, model=model)

    def add_tool_result(
        self, call_id: str, tool: Tool, *, refused: bool, model: str
    ) -> None:
        self.author.pass_time(3)
        result = (
            "The user refused this call."
            if refused
            else json.dumps({"status": "ok", "results": [self.author.write_answer()]})
        )
        content = {
            "role": "tool",
            "tool_call_id": call_id,
            "tool_name": tool.name,
            "content": result,
        }
        message_id = self.add_message("TOOL", content)
        if tool.calls_model and not refused:
            self.add_tokens(message_id, "CALL_WITHIN_TOOL", model)

    def add_message(
        self, entity: str, content: Mapping[str, object], *, complete: bool = True
    ) -> UUID:
        message_id = self.author.make_uuid()
        self.messages.append(
            MessageRow(
                message_id=message_id,
                creation_date=self.author.now,
                content=json.dumps(content),
                thread_id=self.thread_id,
                entity=entity,
                is_complete=complete,
            )
        )
        return message_id

    def add_tokens(self, message_id: UUID, task: str, model: str) -> None:
        """Add what a call of a model cost, one row for each type of token."""
        self.token_consumption += [
            TokenConsumptionRow(
                id=self.author.make_uuid(),
                message_id=message_id,
                type=type_,
                task=task,
                count=round(self.author.rng.expovariate(1 / scale)),
                model=model,
            )
            for type_, scale in vocabulary.TOKEN_SCALES
        ]

    def make_call_id(self) -> str:
        """Return an id such as a language model gives."""
        return f"call_{self.author.rng.getrandbits(96):024x}"
