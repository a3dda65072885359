"""What a models.py is going to have."""

from __future__ import annotations

from dataclasses import dataclass, field

from dbops.core.python_code import Call
from dbops.core.repair.columns import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumPlan:
    """The choices of an enum type."""

    type: str
    class_name: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """One field and what is remarked beside it."""

    name: str
    call: Call
    remarks: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ModelPlan:
    """One model."""

    table: str
    """The catalog's name."""
    class_name: str
    fields: list[FieldPlan] = field(default_factory=list)
    meta: dict[str, object] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """Beside the class: what only the database knows."""

    @property
    def is_managed(self) -> bool:
        """Whether Django makes the table."""
        return "managed" not in self.meta


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumns:
    """A view, and the columns that it gives."""

    name: str
    kind: str
    columns: tuple[Column, ...]
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPlan:
    """All that models.py has."""

    enums: tuple[EnumPlan, ...]
    models: tuple[ModelPlan, ...]
