"""Tables, without what depends on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dbops.core.catalog import SchemaObject
from dbops.core.generated_names import NAME
from dbops.core.repair.columns import read_column, write_column, write_rest
from dbops.core.repair.text import (
    CannotWriteError,
    change_options,
    name_type,
    name_whole,
    split_clauses,
    split_comment,
    write_comment,
    write_options,
)

STARTS = {
    "of": r"(?<=table )of",
    "partitioned": "partitioned by",
    "partition": "partition of",
    "inherits": r"inherits(?= \()",
    "detaching": "detach pending",
    "using": "using(?! index)",
    "server": "server",
    "with": r"with(?= \()",
    "security": "row security enabled",
    "forced": "row security forced",
    "identity": "replica identity",
}
FIXED = ("of", "partitioned", "detaching", "using", "server")


def read_table(each: SchemaObject) -> tuple[dict[str, str], str | None]:
    """Return the clauses of a table's definition, and its comment."""
    text, comment = split_comment(each.definition)
    return split_clauses(text, STARTS), comment


def list_parents(each: SchemaObject) -> list[str]:
    """Return the whole names of the tables that this is a part of or inherits from."""
    clauses, _ = read_table(each)
    text = clauses.get("inherits", "()")[1:-1].split(", ")
    if "partition" in clauses:
        text = [_split_bound(clauses["partition"])[0]]
    return [name_whole(name) for name in text if name]


def write_table(  # noqa: C901  One clause after the other.
    each: SchemaObject, parts: Sequence[SchemaObject]
) -> Iterator[str]:
    """Yield the statements that make the table with its columns."""
    clauses, comment = read_table(each)
    if "server" in clauses or "detaching" in clauses:
        raise CannotWriteError
    name = name_whole(each.name)
    unlogged = "UNLOGGED " if clauses[""].startswith("unlogged") else ""
    columns = [
        read_column(part) for part in sorted(parts, key=lambda part: part.position or 0)
    ]
    own = [column for column in columns if "inherited" not in column.clauses]
    if "of" in clauses:
        yield f"CREATE {unlogged}TABLE {name} OF {name_type(clauses['of'])}"
        for column in own:
            if "null" in column.clauses:
                yield f"ALTER TABLE {name} ALTER COLUMN {column.name} SET NOT NULL"
            if column.clauses.keys() - {"", "null"}:
                raise CannotWriteError
        return
    inner = "".join(f"\n    {write_column(column)}," for column in own)[:-1]
    words = f"CREATE {unlogged}TABLE {name} (" + (f"{inner}\n)" if inner else ")")
    if "inherits" in clauses:
        words += f" INHERITS ({', '.join(list_parents(each))})"
    if "partitioned" in clauses:
        words += f" PARTITION BY {clauses['partitioned']}"
    if "using" in clauses:
        words += f" USING {clauses['using']}"
    yield words + write_options(clauses.get("with"))
    for column in own:
        yield from write_rest(column)
    if comment:
        yield write_comment(f"TABLE {name}", comment)


def leave_parents(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    """Yield what takes the table away from parents that it shall not have."""
    (before, _), (after, _) = read_table(old), read_table(new)
    name = name_whole(new.name)
    if "partition" in before and before.get("partition") != after.get("partition"):
        yield f"ALTER TABLE {list_parents(old)[0]} DETACH PARTITION {name}"
    if "inherits" in before and before.get("inherits") != after.get("inherits"):
        for parent in list_parents(old):
            yield f"ALTER TABLE {name} NO INHERIT {parent}"


def reach_parents(old: SchemaObject | None, new: SchemaObject) -> Iterator[str]:
    """Yield what puts the table under the parents that it shall have."""
    before, after = read_table(old)[0] if old else {}, read_table(new)[0]
    name = name_whole(new.name)
    if "partition" in after and before.get("partition") != after["partition"]:
        parent, bound = _split_bound(after["partition"])
        yield f"ALTER TABLE {name_whole(parent)} ATTACH PARTITION {name} {bound}"
    if old and "inherits" in after and before.get("inherits") != after["inherits"]:
        for parent in list_parents(new):
            yield f"ALTER TABLE {name} INHERIT {parent}"


def change_table(old: SchemaObject, new: SchemaObject) -> Iterator[str]:
    """Yield what makes the old table, which stays, like the new; not its parents."""
    (before, one), (after, other) = read_table(old), read_table(new)
    name = name_whole(new.name)
    if any(before.get(key) != after.get(key) for key in FIXED):
        raise CannotWriteError
    if before[""] != after[""]:
        how = "UNLOGGED" if after[""].startswith("unlogged") else "LOGGED"
        yield f"ALTER TABLE {name} SET {how}"
    head = f"ALTER TABLE {name}"
    yield from change_options(before.get("with"), after.get("with"), head=head)
    yield from set_late(name, before, after)
    if one != other:
        yield write_comment(f"TABLE {name}", other)


def set_late(name: str, before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """Yield row security and the replica identity."""
    if ("security" in before) != ("security" in after):
        how = "ENABLE" if "security" in after else "DISABLE"
        yield f"ALTER TABLE {name} {how} ROW LEVEL SECURITY"
    if ("forced" in before) != ("forced" in after):
        how = "FORCE" if "forced" in after else "NO FORCE"
        yield f"ALTER TABLE {name} {how} ROW LEVEL SECURITY"
    if before.get("identity") != after.get("identity"):
        how = after.get("identity", "default")
        words = re.sub(r"^(using index|\w+)", lambda hit: hit[0].upper(), how)
        yield f"ALTER TABLE {name} REPLICA IDENTITY {words}"


def _split_bound(text: str) -> tuple[str, str]:
    hit = re.match(NAME, text)
    if hit is None:
        raise CannotWriteError
    return hit[0], text[hit.end() :].strip()
