"""What ALTER COLUMN ... TYPE does: nothing, new indexes, or a new table.

PostgreSQL rewrites the table unless the old values are the new ones bit by bit: the
types are binary coercible, and the cast to the new length does nothing.
Source: `ATColumnChangeRequiresRewrite` and `CheckIndexCompatible`; pg_cast with
castmethod "b"; the support functions of varchar, numeric, timestamp, interval, varbit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dbops.core.hazards.expressions import get_column
from dbops.core.hazards.facts import Column, Facts
from dbops.core.hazards.parsing import Node, get_kind, list_strings, unwrap

COERCIBLE = frozenset(
    {
        ("varchar", "text"),
        ("text", "varchar"),
        ("varchar", "bpchar"),
        ("text", "bpchar"),
        ("int4", "oid"),
        ("oid", "int4"),
        ("cidr", "inet"),
        ("bit", "varbit"),
        ("varbit", "bit"),
        ("xml", "text"),
        ("xml", "varchar"),
        ("xml", "bpchar"),
        *(("oid", each) for each in ("regclass", "regproc", "regtype", "regrole")),
        *((each, "oid") for each in ("regclass", "regproc", "regtype", "regrole")),
    }
)
"""Without a function: `pg_cast.castmethod` is b."""
SAME_OPERATORS = frozenset({("varchar", "text"), ("text", "varchar"), ("cidr", "inet")})
"""Pairs of which an index stays as it is."""
ZONES = frozenset({("timestamp", "timestamptz"), ("timestamptz", "timestamp")})
UTC = ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/UCT", "UCT", "Zulu", "Universal")
HEADER = 4
"""What a length is larger in `atttypmod`."""
FINEST = 6
"""Digits of a second."""
INTERVAL_FULL = 0x7FFF
SERIALS = frozenset(
    {"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"}
)


class Change(Enum):
    """What the change of a column's type makes the server do."""

    NOTHING = "nothing"
    INDEXES = "indexes"
    """The rows stay; each index on the column is built again."""
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A type as a statement writes it."""

    name: str
    modifier: int = -1
    domain: str = ""
    constrained: bool = False


def read_type(node: Node, facts: Facts) -> Type:
    """Return what a `TypeName` is, a domain as what is stored."""
    name = list_strings(node.names)[-1]
    given = [unwrap(each) for each in node.typmods]
    numbers = [each.ival.ival for each in given if get_kind(each) == "A_Const"]
    if len(node.array_bounds):
        return Type(name=f"_{name}", modifier=_get_modifier(name, numbers))
    domain = facts.domains.get(name)
    if domain:
        return Type(
            name=domain.base,
            modifier=domain.modifier,
            domain=domain.name,
            constrained=domain.constrained,
        )
    return Type(name=name, modifier=_get_modifier(name, numbers))


def _get_modifier(name: str, numbers: list[int]) -> int:
    if not numbers:
        return HEADER + 1 if name == "bpchar" else 1 if name == "bit" else -1
    match name:
        case "varchar" | "bpchar":
            return numbers[0] + HEADER
        case "numeric":
            scale = numbers[1] if len(numbers) > 1 else 0
            return (numbers[0] << 16 | scale) + HEADER
        case "interval":
            return numbers[0] << 16 | (numbers[1] if len(numbers) > 1 else 0xFFFF)
        case _:
            return numbers[0]


def judge_change(old: Column, new: Type, collation: str | None, facts: Facts) -> Change:
    """Say what the server does when the column becomes of the new type."""
    if new.constrained and new.domain != old.domain:
        return Change.REWRITE
    pair = (old.type, new.name)
    if old.type == new.name:
        keeps_rows, keeps_indexes = _is_wider(old, new), True
    elif pair in ZONES and facts.time_zone in UTC:
        keeps_rows, keeps_indexes = _is_finest(new.modifier), False
    else:
        keeps_rows = pair in COERCIBLE and new.modifier == -1
        keeps_indexes = pair in SAME_OPERATORS
    if not keeps_rows:
        return Change.REWRITE
    # Without COLLATE it becomes that of the type.
    keeps_indexes = keeps_indexes and (collation or "") == old.collation
    return Change.NOTHING if keeps_indexes else Change.INDEXES


def _is_finest(modifier: int) -> bool:
    return modifier == -1 or modifier >= FINEST


def _is_wider(old: Column, new: Type) -> bool:
    """Tell whether the cast to the new length leaves all values as they are."""
    was, will = old.modifier, new.modifier
    if will in (-1, was):
        return True
    match new.name:
        case "varchar" | "varbit":
            return was != -1 and will >= was
        case "numeric":
            return was != -1 and _is_wider_numeric(was - HEADER, will - HEADER)
        case "timestamp" | "timestamptz" | "time" | "timetz":
            return _is_finest(will) or (was != -1 and will >= was)
        case "interval":
            digits = will & 0xFFFF
            return will >> 16 == INTERVAL_FULL and (
                _is_finest(digits) or (was != -1 and digits >= was & 0xFFFF)
            )
    return False


def _is_wider_numeric(was: int, will: int) -> bool:
    """Tell whether the scale is the same, and there are no fewer digits."""
    return was & 0x7FF == will & 0x7FF and was >> 16 <= will >> 16


def is_plain_cast(using: Node, column: str, new: Node) -> bool:
    """Tell whether USING is no more than the column itself, cast to the new type."""
    node = unwrap(using)
    while get_kind(node) == "TypeCast":
        if list(node.type_name.names) != list(new.names) or list(
            map(_shape, node.type_name.typmods)
        ) not in ([], list(map(_shape, new.typmods))):
            return False
        node = unwrap(node.arg)
    return get_column(node) == column


def _shape(node: Node) -> bytes:
    """Return a constant without its place in the text."""
    return bytes(unwrap(node).ival.SerializeToString())
