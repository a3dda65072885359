"""Columns: how they are made, and how one becomes another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dbops.core.catalog import SchemaObject
from dbops.core.describe import quote_text
from dbops.core.generated_names import split_name, strip_quotes
from dbops.core.repair.sequences import change_settings, write_settings
from dbops.core.repair.text import (
    CannotWriteError,
    change_options,
    name_beside,
    name_last,
    name_parent,
    name_type,
    split_clauses,
    split_comment,
    write_comment,
)

STARTS = {
    "null": "not null",
    "no inherit": "no inherit",
    "not valid": "not valid",
    "default": "(?<!by )default",
    "identity": r"generated (?:always|by default) as identity",
    "generated": "generated always as",
    "collate": "collate",
    "storage": "storage",
    "compression": "compression",
    "statistics": "statistics",
    "options": r"options(?= \()",
    "inherited": "inherited",
}
FAMILIES = {
    "number": "smallint integer bigint numeric real double",
    "string": "text character bpchar name",
    "moment": "date time timestamp interval",
}
WIDENING = ("smallint", "integer", "bigint", "numeric")

STORED_MAIN = frozenset({"numeric", "inet", "cidr"})
"""Types that can be compressed, and stay in the row as long as they fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's definition, taken apart."""

    table: str
    """Its whole name."""
    name: str
    type: str
    clauses: dict[str, str]
    how: str
    """`always` or `by default`, of an identity."""
    comment: str | None

    @property
    def identity(self) -> str | None:
        """The settings of an identity of the column's own."""
        return self.clauses.get("identity")

    @property
    def sequence(self) -> str:
        """The whole name of the identity's sequence."""
        hit = re.match(r"\(sequence (\S+?)[ )]", self.identity or "")
        table, name = (
            strip_quotes(part) for part in (name_last(self.table), self.name)
        )
        usual = f"{table}_{name}_seq"
        if not re.fullmatch("[a-z_][a-z0-9_]*", usual):
            usual = '"' + usual.replace('"', '""') + '"'
        return name_beside(self.table, hit[1] if hit else usual)

    @property
    def settings(self) -> str:
        """The settings of the identity's sequence, without its name."""
        inner = (self.identity or "").removeprefix("(").removesuffix(")")
        return re.sub(r"^sequence (\"(?:[^\"]|\"\")*\"|\S+) ?", "", inner)


def read_column(each: SchemaObject) -> Column:
    """Take a column's definition apart."""
    text, comment = split_comment(each.definition)
    clauses = split_clauses(text, STARTS)
    return Column(
        table=name_parent(each),
        name=split_name(each.name)[-1],
        type=clauses[""],
        clauses=clauses,
        how="always" if "generated always as identity" in text else "by default",
        comment=comment,
    )


def write_column(column: Column) -> str:
    """Return the column as CREATE TABLE and ADD COLUMN have it."""
    clauses = column.clauses
    words = [column.name, name_type(column.type)]
    if "collate" in clauses:
        words.append(f"COLLATE {_name_collation(clauses['collate'])}")
    if "default" in clauses:
        words.append(f"DEFAULT {clauses['default']}")
    if "generated" in clauses:
        words.append(_write_generated(clauses["generated"]))
    if column.identity is not None:
        words.append(_write_identity(column))
    if "null" in clauses and "not valid" not in clauses:
        words.append("NOT NULL" + (" NO INHERIT" if "no inherit" in clauses else ""))
    return " ".join(words)


def write_rest(column: Column, *, view: str | None = None) -> Iterator[str]:
    """Yield what can only be set on a column that exists."""
    bare = Column(
        table=column.table,
        name=column.name,
        type=column.type,
        clauses={
            name: text
            for name, text in column.clauses.items()
            if name not in {"storage", "compression", "statistics", "options"}
            and not (name == "null" and "not valid" in column.clauses)
            and name != "not valid"
            and not (view and name == "default")
        },
        how=column.how,
        comment=None,
    )
    yield from change_column(bare, column, head=view or "ALTER TABLE")


def change_column(
    old: Column, new: Column, *, head: str = "ALTER TABLE", only: str = ""
) -> Iterator[str]:
    """Yield the statements that make the old column, which stays, like the new.

    Raises:
        CannotWriteError: it has to be dropped and added.
    """
    at = f"{head} {only}{new.table} ALTER COLUMN {new.name}"
    before, after = old.clauses, new.clauses
    if ("inherited" in before) != ("inherited" in after):
        raise CannotWriteError
    retyped = is_retyped(old, new)
    yield from _leave_value(old, new, at, retyped=retyped)
    if retyped:
        yield _change_type(old, new, head)
    yield from _change_null(old, new, head)
    yield from _reach_value(old, new, at, retyped=retyped)
    if before.get("storage") != after.get("storage") or (
        retyped and "storage" in after
    ):
        storage = after.get("storage") or find_storage(new.type)
        yield f"{at} SET STORAGE {storage.upper()}"
    if before.get("compression") != after.get("compression"):
        yield f"{at} SET COMPRESSION {after.get('compression', 'default')}"
    if before.get("statistics") != after.get("statistics"):
        yield f"{at} SET STATISTICS {after.get('statistics', '-1')}"
    yield from change_options(before.get("options"), after.get("options"), head=at)
    if old.comment != new.comment:
        yield write_comment(f"COLUMN {new.table}.{new.name}", new.comment)


def is_retyped(old: Column, new: Column) -> bool:
    """Say whether the values are stored in another way."""
    return old.type != new.type or old.clauses.get("collate") != new.clauses.get(
        "collate"
    )


def must_be_added_again(old: Column, new: Column) -> bool:
    """Say whether no ALTER leads from the one to the other."""
    one, other = old.clauses.get("generated"), new.clauses.get("generated")
    if other is None:
        return one is not None and not one.endswith("stored")
    return one != other or is_retyped(old, new)


def tell_loss(old: Column, new: Column) -> str | None:
    """Return what the change of type may do to values without a word."""
    name = f"{new.table}.{new.name}"
    if old.type == new.type:
        return None
    kinds = _find_family(old.type), _find_family(new.type)
    if kinds[0] != kinds[1] or kinds[0] not in {"number", "moment"}:
        return None
    if old.type in WIDENING and new.type in WIDENING:
        if WIDENING.index(old.type) < WIDENING.index(new.type):
            return None
        if "numeric" not in {old.type, new.type}:
            return None
    rounds = f"rounds values of {name} from {old.type} to {new.type}"
    if kinds[0] == "moment":
        return f"{rounds}, or reads them in the session's time zone"
    return rounds


def write_position(table: str, name: str) -> str:
    """Return the statement that puts a column's sequence behind its values."""
    sequence = (
        f"pg_catalog.pg_get_serial_sequence({quote_text(table)}, "
        f"{quote_text(strip_quotes(name))})"
    )
    return (  # Names and texts are quoted by the server and by quote_text.
        f"SELECT pg_catalog.setval({sequence}, pg_catalog.max({name})) FROM {table} "  # noqa: S608
        f"HAVING pg_catalog.max({name}) > 0"
    )


def _leave_value(old: Column, new: Column, at: str, *, retyped: bool) -> Iterator[str]:
    before, after = old.clauses, new.clauses
    if old.identity is not None and new.identity is None:
        yield f"{at} DROP IDENTITY"
    if "generated" in before and "generated" not in after:
        yield f"{at} DROP EXPRESSION"
    if "default" in before and (retyped or "default" not in after):
        yield f"{at} DROP DEFAULT"


def _reach_value(old: Column, new: Column, at: str, *, retyped: bool) -> Iterator[str]:
    before, after = old.clauses, new.clauses
    if "default" in after and (retyped or before.get("default") != after["default"]):
        yield f"{at} SET DEFAULT {after['default']}"
    if new.identity is None:
        return
    if old.identity is None:
        yield f"{at} ADD {_write_identity(new)}"
        yield write_position(new.table, new.name)
        return
    if old.how != new.how:
        yield f"{at} SET GENERATED {new.how.upper()}"
    if old.sequence != new.sequence:
        yield f"ALTER SEQUENCE {old.sequence} RENAME TO {name_last(new.sequence)}"
    _refuse_settings(old, new)
    changes = change_settings(old.settings, new.settings, old.type, new.type)
    if changes:
        yield at + "".join(f" SET {change}" for change in changes)


def _refuse_settings(*columns: Column) -> None:
    if any(re.search("logged|int", column.settings) for column in columns):
        raise CannotWriteError


def _change_type(old: Column, new: Column, head: str) -> str:
    words = f"{head} {new.table} ALTER COLUMN {new.name} TYPE {name_type(new.type)}"
    if "collate" in new.clauses:
        words += f" COLLATE {_name_collation(new.clauses['collate'])}"
    one, other = _find_family(old.type), _find_family(new.type)
    # Without USING a string that is too long fails; a cast would cut it.
    if other == "string" or (one == other and one) or old.type == new.type:
        return words
    cast = f"::{name_type(new.type)}"
    return f"{words} USING {new.name}{'' if one == 'string' else '::text'}{cast}"


def _change_null(old: Column, new: Column, head: str) -> Iterator[str]:
    states = [
        tuple(name in each.clauses for name in ("null", "no inherit", "not valid"))
        for each in (old, new)
    ]
    if states[0] == states[1]:
        return
    table, at = f"{head} {new.table}", f"{head} {new.table} ALTER COLUMN {new.name}"
    (before, alone, _), (after, _, unchecked) = states
    if not after:
        yield f"{at} DROP NOT NULL"
        return
    if before and (unchecked or alone or "no inherit" in new.clauses):
        yield f"{at} DROP NOT NULL"
        before = False
    if not unchecked and "no inherit" not in new.clauses:
        # It validates one that is NOT VALID too.
        yield f"{at} SET NOT NULL"
        return
    ending = "NO INHERIT" if "no inherit" in new.clauses else ""
    ending += " NOT VALID" if unchecked else ""
    yield f"{table} ADD NOT NULL {new.name} {ending.strip()}"


def _write_generated(text: str) -> str:
    expression, _, how = text.rpartition(" ")
    return f"GENERATED ALWAYS AS {expression} {how.upper()}"


def _write_identity(column: Column) -> str:
    _refuse_settings(column)
    settings = write_settings(column.settings)
    if re.match(r"\(sequence ", column.identity or ""):
        settings = f"SEQUENCE NAME {column.sequence} {settings}".strip()
    inner = f" ({settings})" if settings else ""
    return f"GENERATED {column.how.upper()} AS IDENTITY{inner}"


def _name_collation(name: str) -> str:
    return name if len(split_name(name)) > 1 else f"pg_catalog.{name}"


def _find_family(text: str) -> str | None:
    if text.endswith("[]"):
        return None
    first = re.split(r"[ (]", text)[0]
    return next(
        (name for name, words in FAMILIES.items() if first in words.split()), None
    )


def find_storage(type_name: str) -> str:
    """Return how a column of the type is stored when nobody says.

    PostgreSQL 15 has no SET STORAGE DEFAULT; where the type is not one of the system,
    only the server knows.

    >>> find_storage("text"), find_storage("numeric(8,2)"), find_storage("public.mood")
    ('extended', 'main', 'default')
    """
    if type_name.partition("(")[0] in STORED_MAIN:
        return "main"
    is_of_system = name_type(type_name) == type_name and "." not in type_name
    return "extended" if is_of_system or type_name.endswith("[]") else "default"
