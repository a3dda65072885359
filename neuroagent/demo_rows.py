"""Rows of the demo data, one dataclass a table, with fields named as its columns."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRow:
    """A row of `threads`; fields are named as columns."""

    thread_id: UUID
    vlab_id: UUID | None
    project_id: UUID | None
    title: str
    creation_date: datetime
    update_date: datetime
    user_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A row of `messages`, but for what the trigger writes."""

    message_id: UUID
    creation_date: datetime
    content: str
    thread_id: UUID
    entity: str
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallRow:
    """A row of `tool_calls`."""

    tool_call_id: str
    name: str
    arguments: str
    validated: bool | None
    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSelectionRow:
    """A row of `tool_selection`."""

    id: UUID
    message_id: UUID
    tool_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConsumptionRow:
    """A row of `token_consumption`."""

    id: UUID
    message_id: UUID
    type: str
    task: str
    count: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexityEstimationRow:
    """A row of `complexity_estimation`."""

    id: UUID
    complexity: int | None
    model: str
    reasoning: str | None
    message_id: UUID


Row = (
    ThreadRow
    | MessageRow
    | ToolCallRow
    | ToolSelectionRow
    | TokenConsumptionRow
    | ComplexityEstimationRow
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A thread and everything that hangs on it, in order of creation."""

    thread: ThreadRow
    messages: tuple[MessageRow, ...]
    tool_calls: tuple[ToolCallRow, ...]
    tool_selections: tuple[ToolSelectionRow, ...]
    token_consumption: tuple[TokenConsumptionRow, ...]
    complexity_estimations: tuple[ComplexityEstimationRow, ...]
