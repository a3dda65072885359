"""What an expression calls, and what it proves."""

from __future__ import annotations

from collections.abc import Iterator

from dbops.core.hazards.facts import Facts
from dbops.core.hazards.parsing import (
    Node,
    NotUnderstood,
    get_enum,
    get_kind,
    list_strings,
    parse_statements,
    unwrap,
    walk,
)

KNOWN_VOLATILE = frozenset({
    "clock_timestamp", "currval", "gen_random_bytes", "gen_random_uuid", "lastval",
    "nextval", "random", "random_normal", "setval", "timeofday", "txid_current",
    "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7",
})  # fmt: skip
KNOWN_STABLE = frozenset({
    "abs", "array_agg", "btrim", "ceil", "char_length", "coalesce", "concat",
    "current_database", "current_schema", "current_setting", "current_user",
    "date_part", "date_trunc", "decode", "encode", "extract", "floor", "format",
    "greatest", "jsonb_build_array", "jsonb_build_object", "json_build_object", "least",
    "left", "length", "lower", "lpad", "ltrim", "make_date", "make_interval", "md5",
    "mod", "now", "nullif", "pg_backend_pid", "replace", "right", "round", "rpad",
    "rtrim", "session_user", "statement_timestamp", "substr", "substring", "timezone",
    "to_char", "to_date", "to_json", "to_jsonb", "to_number", "to_timestamp",
    "to_tsquery", "to_tsvector", "transaction_timestamp", "trim", "trunc", "upper",
    "width_bucket",
})  # fmt: skip
"""And immutable ones, as far as they stand in defaults."""


def list_functions(expression: Node) -> Iterator[str]:
    """Yield the functions that the expression calls, without their schemas."""
    for node in walk(expression):
        if get_kind(node) == "FuncCall":
            yield list_strings(node.funcname)[-1]


def is_volatile(expression: Node, facts: Facts) -> bool:
    """Tell whether each row may get another value.

    A function that nobody knows counts as volatile, as PostgreSQL's default has it.
    """
    for name in list_functions(expression):
        if facts.known and name in facts.functions:
            if name in facts.volatile:
                return True
        elif name in KNOWN_VOLATILE or name not in KNOWN_STABLE:
            return True
    return False


def parse_check(text: str) -> Node | None:
    """Return the expression of `CHECK (...)`, as the catalog prints it."""
    try:
        [statement] = parse_statements(f"ALTER TABLE t ADD {text}")
    except NotUnderstood:
        return None
    [command] = statement.node.cmds
    definition = unwrap(unwrap(command).__getattribute__("def"))
    return definition.raw_expr if definition.HasField("raw_expr") else None


def proves_not_null(expression: Node, column: str) -> bool:
    """Tell whether it can only be true, or null, where the column is not null.

    A comparison does not: it is null where the column is, and a CHECK lets that pass.
    """
    node = unwrap(expression)
    kind = get_kind(node)
    if kind == "NullTest":
        return (
            get_enum(node, "nulltesttype") == "IS_NOT_NULL"
            and get_column(node.arg) == column
        )
    if kind == "BoolExpr":
        parts = [proves_not_null(each, column) for each in node.args]
        match get_enum(node, "boolop"):
            case "AND_EXPR":
                return any(parts)
            case "OR_EXPR":
                return all(parts)
    return False


def get_column(expression: Node) -> str:
    """Return the name of a plain column; empty for anything else."""
    node = unwrap(expression)
    if get_kind(node) != "ColumnRef":
        return ""
    names = list_strings(node.fields)
    return names[-1] if names else ""


def list_columns(expression: Node) -> frozenset[str]:
    """Return the columns that the expression names."""
    return frozenset(name for node in walk(expression) if (name := get_column(node)))


def proves_range(
    expression: Node, column: str, lower: str | None, upper: str | None
) -> bool:
    """Tell whether it keeps the column within these bounds; None is no bound."""
    least, most = lower is None, upper is None
    for part in _list_parts(expression):
        node = unwrap(part)
        if get_kind(node) != "A_Expr" or get_column(node.lexpr) != column:
            continue
        operator, value = list_strings(node.name)[-1], get_constant(node.rexpr)
        if value is None:
            continue
        least = least or (operator in (">=", ">") and _is_at_least(value, lower))
        most = most or (operator == "<" and _is_at_least(upper, value))
    return least and most


def _list_parts(expression: Node) -> Iterator[Node]:
    node = unwrap(expression)
    if get_kind(node) == "BoolExpr" and get_enum(node, "boolop") == "AND_EXPR":
        for each in node.args:
            yield from _list_parts(each)
    else:
        yield node


def get_constant(expression: Node) -> str | None:
    """Return a constant as text, a cast one too; None for anything else."""
    node = unwrap(expression)
    while get_kind(node) == "TypeCast":
        node = unwrap(node.arg)
    if get_kind(node) != "A_Const":
        return None
    match node.WhichOneof("val"):
        case "ival":
            return str(node.ival.ival)
        case "fval":
            return str(node.fval.fval)
        case "sval":
            return str(node.sval.sval)
    return None


def _is_at_least(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return False
    try:
        return float(a) >= float(b)
    except ValueError:
        return a == b
