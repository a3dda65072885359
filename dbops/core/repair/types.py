"""Enums, domains, composite types and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbops.core.catalog import ObjectKind, SchemaObject
from dbops.core.repair.text import (
    CannotWriteError,
    mask_text,
    name_last,
    name_type,
    name_whole,
    split_clauses,
    split_comment,
    split_list,
    write_comment,
)

DOMAIN = {
    "null": "not null",
    "default": "default",
    "collate": "collate",
    "constraints": "constraint(?= )",
}
CHECK_COMMENT = re.compile(r" \(comment (E?'(?:[^']|'')*')\)$")
RANGE = {
    "subtype": "range of",
    "subtype_opclass": "operator class",
    "collation": "collate",
    "canonical": "canonical",
    "subtype_diff": "subtype difference",
    "multirange_type_name": "multirange",
}


def write_type(each: SchemaObject) -> Iterator[str]:
    """Yield the statements that make an enum, domain, composite type or range."""
    text, comment = split_comment(each.definition)
    name = name_whole(each.name)
    word = "DOMAIN" if each.kind == ObjectKind.DOMAIN else "TYPE"
    if each.kind == ObjectKind.ENUM:
        yield f"CREATE TYPE {name} AS ENUM {text}"
    elif each.kind == ObjectKind.DOMAIN:
        yield from _write_domain(name, text)
    elif text.startswith("composite"):
        yield from _write_composite(name, text)
    else:
        yield _write_range(name, text)
    if comment:
        yield write_comment(f"{word} {name}", comment)


def list_labels(each: SchemaObject) -> list[str]:
    """Return an enum's labels, quoted."""
    return split_list(split_comment(each.definition)[0][1:-1])


def has_new_labels_alone(old: SchemaObject, new: SchemaObject) -> bool:
    """Say whether ALTER TYPE ... ADD VALUE is enough."""
    labels = list_labels(old)
    return [label for label in list_labels(new) if label in labels] == labels


def add_labels(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    """Yield a statement for each label that the old enum lacks."""
    known, labels = set(list_labels(old)), list_labels(new)
    for place, label in enumerate(labels):
        if label in known:
            continue
        before = next((each for each in labels[place:] if each in known), None)
        where = f" AFTER {labels[place - 1]}" if place else ""
        if before and not place:
            where = f" BEFORE {before}"
        yield f"ALTER TYPE {name_whole(new.name)} ADD VALUE {label}{where}"
        known.add(label)


def change_comment(old: SchemaObject, new: SchemaObject, what: str) -> Iterator[str]:
    """Yield the comment, where it is another one."""
    comment = split_comment(new.definition)[1]
    if split_comment(old.definition)[1] != comment:
        yield write_comment(what, comment)


def change_domain(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    """Yield the statements that change a domain in place."""
    name = name_whole(new.name)
    before, after = (
        split_clauses(split_comment(each.definition)[0], DOMAIN) for each in (old, new)
    )
    if any(before.get(key) != after.get(key) for key in ("", "collate")):
        raise CannotWriteError
    if before.get("default") != after.get("default"):
        value = after.get("default")
        yield f"ALTER DOMAIN {name} " + (
            f"SET DEFAULT {value}" if value else "DROP DEFAULT"
        )
    if ("null" in before) != ("null" in after):
        how = "SET" if "null" in after else "DROP"
        yield f"ALTER DOMAIN {name} {how} NOT NULL"
    checks, others = _read_checks(before), _read_checks(after)
    yield from _change_checks(name, checks, others)
    yield from change_comment(old, new, f"DOMAIN {name}")


def change_composite(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    """Yield the statements that change a composite type in place."""
    name = name_whole(new.name)
    before, after = _read_attributes(old), _read_attributes(new)
    gone = [each for each in before if each not in after]
    come = [each for each in after if each not in before]
    if len(gone) == len(come) == 1 and list(before).index(gone[0]) == list(after).index(
        come[0]
    ):
        yield f"ALTER TYPE {name} RENAME ATTRIBUTE {gone[0]} TO {come[0]}"
        before = {come[0] if key == gone[0] else key: v for key, v in before.items()}
        gone, come = [], []
    if [each for each in before if each not in gone] + come != list(after):
        raise CannotWriteError
    for attribute in gone:
        yield f"ALTER TYPE {name} DROP ATTRIBUTE {attribute}"
    for attribute, (kind, comment) in after.items():
        was = before.get(attribute)
        if was is None:
            yield f"ALTER TYPE {name} ADD ATTRIBUTE {attribute} {kind}"
        elif was[0] != kind:
            yield f"ALTER TYPE {name} ALTER ATTRIBUTE {attribute} TYPE {kind}"
        if (was[1] if was else None) != comment:
            yield write_comment(f"COLUMN {name}.{attribute}", comment)
    yield from change_comment(old, new, f"TYPE {name}")


def _write_domain(name: str, text: str) -> Iterator[str]:
    clauses = split_clauses(text, DOMAIN)
    words = f"CREATE DOMAIN {name} AS {name_type(clauses[''])}"
    if "collate" in clauses:
        words += f" COLLATE {clauses['collate']}"
    if "default" in clauses:
        words += f" DEFAULT {clauses['default']}"
    yield words + (" NOT NULL" if "null" in clauses else "")
    yield from _change_checks(name, {}, _read_checks(clauses))


def _read_checks(clauses: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    text = clauses.get("constraints", "")
    edges = [hit.start() for hit in re.finditer(r" constraint ", mask_text(text))]
    starts = [0, *(edge + len(" constraint ") for edge in edges)]
    checks = {}
    for begin, end in zip(starts, [*edges, len(text)], strict=True):
        part = text[begin:end]
        hit = CHECK_COMMENT.search(part)
        whole, comment = (part[: hit.start()], hit[1]) if hit else (part, None)
        at = mask_text(whole).find(" ")
        if whole:
            checks[whole[:at]] = (whole[at + 1 :], comment)
    return checks


def _change_checks(
    name: str,
    before: dict[str, tuple[str, str | None]],
    after: dict[str, tuple[str, str | None]],
) -> Iterator[str]:
    changed = [
        each
        for each in before
        if each not in after or before[each][0] != after[each][0]
    ]
    for check in changed:
        yield f"ALTER DOMAIN {name} DROP CONSTRAINT {check}"
    for check, (text, comment) in after.items():
        new = check not in before or check in changed
        if new:
            yield f"ALTER DOMAIN {name} ADD CONSTRAINT {check} {text}"
        if comment != (None if new else before[check][1]):
            yield write_comment(f"CONSTRAINT {check} ON DOMAIN {name}", comment)


def _split_any_comment(text: str) -> tuple[str, str | None]:
    # Comments of parts are quote_literal's: E'' where they have a backslash.
    hit = re.search(r" comment (?=E?'~*'$)", mask_text(text))
    return (text[: hit.start()], text[hit.end() :]) if hit else (text, None)


def _read_attributes(each: SchemaObject) -> dict[str, tuple[str, str | None]]:
    text = split_comment(each.definition)[0].removeprefix("composite (")[:-1]
    attributes = {}
    for item in split_list(text):
        whole, comment = _split_any_comment(item)
        at = mask_text(whole).index(" ")
        kind, _, collation = whole[at + 1 :].partition(" collate ")
        words = name_type(kind) + (f" COLLATE {collation}" if collation else "")
        attributes[whole[:at]] = (words, comment)
    return attributes


def _write_composite(name: str, text: str) -> Iterator[str]:
    attributes = _read_attributes(
        SchemaObject(kind=ObjectKind.TYPE, name=name, definition=text)
    )
    inner = ", ".join(f"{each} {kind}" for each, (kind, _) in attributes.items())
    yield f"CREATE TYPE {name} AS ({inner})"
    for each, (_, comment) in attributes.items():
        if comment:
            yield write_comment(f"COLUMN {name}.{each}", comment)


def _write_range(name: str, text: str) -> str:
    clauses = split_clauses(text, RANGE)
    if "canonical" in clauses:
        raise CannotWriteError
    clauses["subtype"] = name_type(clauses["subtype"])
    multirange = clauses["multirange_type_name"]
    clauses["multirange_type_name"] = (
        multirange if "." in multirange else name_whole(name_last(multirange))
    )
    inner = ", ".join(
        f"{key.upper()} = {value}" for key, value in clauses.items() if key
    )
    return f"CREATE TYPE {name} AS RANGE ({inner})"
