"""What a page of a conversation is made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from neuroagent.admin.content import Content, Text
from neuroagent.models import ComplexityEstimation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What of a conversation somebody may see."""

    messages: bool
    tool_calls: bool
    tool_selections: bool
    tokens: bool
    estimations: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call, with its result if that is on the page."""

    key: str
    name: str
    validated: bool | None
    arguments: Text
    result: "Turn | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message with all that hangs on it."""

    key: UUID
    entity: str
    label: str
    created: datetime
    is_complete: bool
    content: Content
    size_bytes: int
    calls: tuple[Call, ...] = ()
    offered: tuple[str, ...] = ()
    estimations: tuple[ComplexityEstimation, ...] = ()
    tokens: int = 0
    spent: tuple[dict[str, Any], ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The models that worked on it."""
        names = [each["model"] for each in self.spent]
        names += [each.model for each in self.estimations]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationPage:
    """Some messages of a thread, in order, and where they stand in it."""

    turns: tuple[Turn, ...]
    count: int
    first: int
    """Number of the first message on the page, from 1."""
    previous: str | None
    next: str | None

    @property
    def last(self) -> int:
        """Number of the last message on the page."""
        return self.first + self._shown - 1

    @property
    def _shown(self) -> int:
        folded = sum(
            call.result is not None for turn in self.turns for call in turn.calls
        )
        return len(self.turns) + folded
