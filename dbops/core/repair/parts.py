"""Constraints, indexes, triggers, policies, rules, statistics and views."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbops.core.catalog import ObjectKind, SchemaObject
from dbops.core.repair.text import (
    CannotWriteError,
    change_options,
    mask_text,
    name_beside,
    name_last,
    name_parent,
    name_whole,
    split_clauses,
    split_comment,
    write_comment,
    write_options,
)

NAME = r"\S+"
STARTS = {
    ObjectKind.CONSTRAINT: {
        "with": r"with(?= \()",
        "clustered": "clustered",
        "invalid": "INVALID",
        "inherited": "inherited",
        "partition": "partition of",
        "index comment": "index comment",
    },
    ObjectKind.INDEX: {
        "statistics": r"statistics(?= \()",
        "clustered": "clustered",
        "invalid": "INVALID",
        "unready": "not ready",
        "partition": "partition of",
    },
    ObjectKind.TRIGGER: {"state": "disabled|enabled replica|enabled always"},
    ObjectKind.POLICY: {},
    ObjectKind.RULE: {},
    ObjectKind.STATISTICS: {"target": "target"},
    ObjectKind.VIEW: {"using": "using", "with": r"with(?= \()"},
}
ENABLE = {
    "disabled": "DISABLE",
    "enabled replica": "ENABLE REPLICA",
    "enabled always": "ENABLE ALWAYS",
}


def read_part(each: SchemaObject) -> tuple[dict[str, str], str | None]:
    """Return the clauses of a definition, the SQL under the empty name; the comment."""
    text, comment = split_comment(each.definition)
    return split_clauses(text, STARTS[each.kind]), comment


def name_part(each: SchemaObject) -> str:
    """Return the object as DROP and COMMENT ON name it."""
    name = name_last(each.name)
    match each.kind:
        case ObjectKind.INDEX | ObjectKind.STATISTICS:
            return f"{each.kind.upper()} {name_whole(each.name)}"
        case ObjectKind.VIEW:
            kind = "VIEW" if each.definition.startswith("view") else "MATERIALIZED VIEW"
            return f"{kind} {name_whole(each.name)}"
        case _:
            return f"{each.kind.upper()} {name} ON {name_parent(each)}"


def drop_part(each: SchemaObject) -> str:
    """Return the statement that drops the object."""
    if each.kind == ObjectKind.CONSTRAINT:
        return f"ALTER TABLE {name_parent(each)} DROP CONSTRAINT {name_last(each.name)}"
    return f"DROP {name_part(each)}"


def write_part(each: SchemaObject) -> Iterator[str]:
    """Yield the statements that make the object, with all that is set on it."""
    clauses, comment = read_part(each)
    if "invalid" in clauses and "ON ONLY" not in clauses[""]:
        raise CannotWriteError
    yield _write_first(each, clauses)
    if comment:
        yield write_comment(name_part(each), comment)
    yield from _write_settings(each, {}, clauses)


def change_part(old: SchemaObject, new: SchemaObject) -> Iterator[str] | None:
    """Return what changes the object in place, or None if it has to be made again."""
    (before, one), (after, other) = read_part(old), read_part(new)
    bare, validate = _drop_validity(before[""], after[""])
    if bare != after[""] or not _is_settable(old, new, before, after):
        return None

    def change() -> Iterator[str]:
        if validate:
            table, name = name_parent(new), name_last(new.name)
            yield f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
        yield from _write_settings(new, before, after)
        if one != other:
            yield write_comment(name_part(new), other)

    return change()


def _drop_validity(before: str, after: str) -> tuple[str, bool]:
    bare = before.removesuffix(" NOT VALID")
    if bare == after and bare != before:
        return bare, True
    return before, False


def _is_settable(
    old: SchemaObject,
    new: SchemaObject,
    before: dict[str, str],
    after: dict[str, str],
) -> bool:
    if old.kind == ObjectKind.VIEW:
        return old.body == new.body and before.get("using") == after.get("using")
    if old.kind == ObjectKind.RULE:
        return old.body == new.body
    fixed: tuple[str, ...] = ("inherited", "invalid", "unready")
    if "invalid" in before and "ON ONLY" in before[""] and "invalid" not in after:
        fixed = ("inherited",)  # Attaching the last partition's index makes it valid.
    return all((name in before) == (name in after) for name in fixed)


def _write_first(  # noqa: PLR0911  One case a kind.
    each: SchemaObject, clauses: dict[str, str]
) -> str:
    text, name, table = clauses[""], name_last(each.name), name_parent(each)
    match each.kind:
        case ObjectKind.CONSTRAINT:
            only = "ONLY " if "partition" in clauses else ""
            return f"ALTER TABLE {only}{table} ADD CONSTRAINT {name} {text}"
        case ObjectKind.INDEX:
            unique = "UNIQUE " if text.startswith("UNIQUE ") else ""
            return f"CREATE {unique}INDEX {name} {text.removeprefix('UNIQUE ')}"
        case ObjectKind.TRIGGER:
            kind = "CONSTRAINT " if text.startswith("CONSTRAINT ") else ""
            return f"CREATE {kind}TRIGGER {name} {text.removeprefix('CONSTRAINT ')}"
        case ObjectKind.POLICY:
            return f"CREATE POLICY {name} ON {table} AS {text}"
        case ObjectKind.RULE:
            return f"CREATE RULE {name} {(each.body or '').rstrip('; ')}"
        case ObjectKind.STATISTICS:
            return f"CREATE STATISTICS {name_whole(each.name)} {text}"
        case _:
            using = f" USING {clauses['using']}" if "using" in clauses else ""
            options = write_options(clauses.get("with"))
            body = (each.body or "").strip().rstrip(";")
            return f"CREATE {name_part(each)}{using}{options} AS\n{body}"


def _write_settings(
    each: SchemaObject, before: dict[str, str], after: dict[str, str]
) -> Iterator[str]:
    name, table = name_last(each.name), name_parent(each)
    changed = {
        key
        for key in before.keys() | after.keys()
        if key and before.get(key) != after.get(key)
    }
    index = name_beside(each.parent, name) if each.parent else ""
    if "with" in changed and each.kind == ObjectKind.VIEW:
        head = f"ALTER {name_part(each)}"
        if before:
            yield from change_options(before.get("with"), after.get("with"), head=head)
    elif "with" in changed:
        head = f"ALTER INDEX {index}"
        yield from change_options(before.get("with"), after.get("with"), head=head)
    if "clustered" in changed:
        yield f"ALTER TABLE {table} " + (
            f"CLUSTER ON {name}" if "clustered" in after else "SET WITHOUT CLUSTER"
        )
    if "partition" in changed and "partition" in after:
        whole = name_whole(after["partition"])
        yield f"ALTER INDEX {whole} ATTACH PARTITION {index}"
    if "index comment" in changed:
        yield write_comment(f"INDEX {index}", after.get("index comment"))
    if "statistics" in changed:
        yield from _set_index_statistics(index, before, after)
    if "target" in changed:
        target = after.get("target", "-1")
        yield f"ALTER STATISTICS {name_whole(each.name)} SET STATISTICS {target}"
    yield from _write_state(each, before)


def _set_index_statistics(
    index: str, before: dict[str, str], after: dict[str, str]
) -> Iterator[str]:
    old, new = (
        dict(re.findall(r"(\d+)=(\d+)", side.get("statistics", "")))
        for side in (before, after)
    )
    for number in sorted(old.keys() | new.keys()):
        if old.get(number) != new.get(number):
            target = new.get(number, "-1")
            yield f"ALTER INDEX {index} ALTER COLUMN {number} SET STATISTICS {target}"


def _write_state(each: SchemaObject, before: dict[str, str]) -> Iterator[str]:
    if each.kind not in {ObjectKind.TRIGGER, ObjectKind.RULE}:
        return
    text = split_comment(each.definition)[0]
    hit = re.search("(disabled|enabled replica|enabled always)$", mask_text(text))
    how = ENABLE[hit[1]] if hit else "ENABLE"
    if hit or before:
        what = f"{each.kind.upper()} {name_last(each.name)}"
        yield f"ALTER TABLE {name_parent(each)} {how} {what}"
