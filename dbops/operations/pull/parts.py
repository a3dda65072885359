"""What a model's Meta says of indexes and constraints."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbops.core.index_text import IndexText, Item, read_exclusion
from dbops.core.python_code import Call, Name
from dbops.core.repair.text import mask_text
from dbops.core.table_facts import Index, Unique
from dbops.operations.model_fields import write_sql

LONGEST_INDEX_NAME = 30
"""models.Index refuses a longer one."""
INDEXES = {
    "btree": "django.db.models.Index",
    "brin": "django.contrib.postgres.indexes.BrinIndex",
    "gin": "django.contrib.postgres.indexes.GinIndex",
    "gist": "django.contrib.postgres.indexes.GistIndex",
    "hash": "django.contrib.postgres.indexes.HashIndex",
    "spgist": "django.contrib.postgres.indexes.SpGistIndex",
}
BTREE = "django.contrib.postgres.indexes.BTreeIndex"
OPTIONS = {
    "btree": {"fillfactor", "deduplicate_items"},
    "brin": {"autosummarize", "pages_per_range"},
    "gin": {"fastupdate", "gin_pending_list_limit"},
    "gist": {"buffering", "fillfactor"},
    "hash": {"fillfactor"},
    "spgist": {"fillfactor"},
}
CHECK = re.compile(r"CHECK \((?P<sql>.*)\)", re.DOTALL)
POSITIVE = re.compile(r'CHECK \(\((?P<column>"(?:[^"]|"")*"|[\w$]+) >= 0\)\)')

Fields = Mapping[str, str]
"""The fields' names by their columns."""


def write_index(index: Index, fields: Fields) -> Call | None:
    """Return what Meta.indexes says; None where no index of Django's is like it."""
    text, name = index.text, index.name
    if text is None or index.comment is not None or text.is_unique:
        return None
    if len(name) > LONGEST_INDEX_NAME or not name[0].isalpha():
        return None
    if text.method not in INDEXES or not text.options.keys() <= OPTIONS[text.method]:
        return None
    path = INDEXES[text.method]
    if text.method == "btree" and text.options:
        path = BTREE
    parts = _write_items(text, fields)
    if parts is None:
        return None
    args, kwargs = parts
    options = {key: _read_option(value) for key, value in text.options.items()}
    return Call(
        path, args, {**kwargs, "name": name, **_write_rest(text, fields), **options}
    )


def write_unique_index(index: Index, fields: Fields) -> Call | None:
    """Return the UniqueConstraint that makes this unique index."""
    text = index.text
    if text is None or index.comment is not None or text.options:
        return None
    if text.method != "btree" or not text.is_unique:
        return None
    parts = _write_items(text, fields)
    if parts is None:
        return None
    args, kwargs = parts
    rest = _write_rest(text, fields)
    if kwargs and not rest and "opclasses" not in kwargs:
        # With fields alone it would be a constraint, and no index.
        columns = kwargs.pop("fields")
        assert isinstance(columns, list)  # noqa: S101  As _write_items made it.
        args = tuple(_write_reference(str(each)) for each in columns)
    if not text.nulls_distinct:
        rest["nulls_distinct"] = False
    return Call(
        "django.db.models.UniqueConstraint",
        args,
        {**kwargs, "name": index.name, **rest},
    )


def _write_reference(name: str) -> Call:
    if name.startswith("-"):
        return Call("desc", (), {}, Call("django.db.models.F", (name[1:],)))
    return Call("django.db.models.F", (name,))


def write_unique(unique: Unique, fields: Fields) -> Call | None:
    """Return the UniqueConstraint that is this constraint."""
    if not unique.is_plain or not set(unique.columns) <= fields.keys():
        return None
    kwargs: dict[str, object] = {
        "fields": [fields[each] for each in unique.columns],
        "name": unique.name,
    }
    if unique.deferrable:
        kwargs["deferrable"] = Name(f"models.Deferrable.{unique.deferrable}")
    if not unique.nulls_distinct:
        kwargs["nulls_distinct"] = False
    return Call("django.db.models.UniqueConstraint", (), kwargs)


def write_check(name: str, text: str) -> Call | None:
    """Return the CheckConstraint with this text."""
    hit = CHECK.fullmatch(text)
    # A percent sign would be taken for a parameter.
    if hit is None or "%" in hit["sql"]:
        return None
    return Call(
        "django.db.models.CheckConstraint",
        (),
        {"condition": _write_condition(hit["sql"]), "name": name},
    )


def find_positive(text: str) -> str | None:
    """Return the column that this check keeps from being negative, as Django does.

    >>> find_positive("CHECK ((depth >= 0))"), find_positive("CHECK ((a >= 1))")
    ('depth', None)
    """
    hit = POSITIVE.fullmatch(text)
    return hit["column"].strip('"') if hit else None


def write_exclusion(name: str, text: str, fields: Fields) -> Call | None:
    """Return the ExclusionConstraint with this text."""
    found = read_exclusion(text)
    if found is None or "%" in text:
        return None
    expressions = []
    for item, operator in found.items:
        if item.opclass or item.collation or item.is_descending or item.nulls:
            return None
        if item.column is not None and item.column not in fields:
            return None
        what = fields[item.column] if item.column else write_sql(item.text)
        expressions.append((what, operator))
    kwargs: dict[str, object] = {"name": name, "expressions": expressions}
    kwargs["index_type"] = found.method.upper()
    if found.where:
        kwargs["condition"] = _write_q(found.where)
    if found.deferrable:
        kwargs["deferrable"] = Name(f"models.Deferrable.{found.deferrable}")
    return Call("django.contrib.postgres.constraints.ExclusionConstraint", (), kwargs)


def _write_items(
    text: IndexText, fields: Fields
) -> tuple[tuple[object, ...], dict[str, object]] | None:
    if any(each.collation for each in text.items):
        return None
    columns = [each.column for each in text.items if each.column is not None]
    if not set(columns) <= fields.keys():
        return None
    is_simple = len(columns) == len(text.items) and not any(
        each.nulls for each in text.items
    )
    opclasses = [each.opclass for each in text.items]
    if is_simple:
        names = [
            ("-" if each.is_descending else "") + fields[each.column or ""]
            for each in text.items
        ]
        kwargs: dict[str, object] = {"fields": names}
        if all(opclasses):
            kwargs["opclasses"] = opclasses
        elif any(opclasses):
            return None
        return (), kwargs
    if text.method != "btree" or (text.include and any(opclasses)):
        return None
    return tuple(_write_item(each, fields) for each in text.items), {}


def _write_item(item: Item, fields: Fields) -> Call:
    what = (
        Call("django.db.models.F", (fields[item.column],))
        if item.column
        else write_sql(item.text.replace("%", "%%"))
    )
    if item.opclass:
        what = Call(
            "django.contrib.postgres.indexes.OpClass", (what,), {"name": item.opclass}
        )
    nulls = {f"nulls_{item.nulls.lower()}": True} if item.nulls else {}
    if item.is_descending:
        return Call("desc", (), nulls, what)
    return Call("asc", (), nulls, what) if nulls else what


def _write_rest(text: IndexText, fields: Fields) -> dict[str, object]:
    rest: dict[str, object] = {}
    if text.include:
        rest["include"] = [fields[each] for each in text.include if each in fields]
    if text.where:
        rest["condition"] = _write_q(text.where.replace("%", "%%"))
    return rest


def _write_q(sql: str) -> Call:
    return Call("django.db.models.Q", (_write_condition(sql),))


def _write_condition(sql: str) -> Call:
    bare = sql[1:-1] if _is_wrapped(sql) else sql
    return write_sql(bare, output_field=Call("django.db.models.BooleanField"))


def _is_wrapped(sql: str) -> bool:
    """Say whether the first parenthesis ends with the text.

    >>> _is_wrapped("(a AND (b))"), _is_wrapped("(a) AND (b)")
    (True, False)
    """
    return re.fullmatch(r"\(~*\)", mask_text(sql)) is not None


def _read_option(value: str) -> object:
    words: dict[str, object] = {"on": True, "off": False, "true": True, "false": False}
    return words[value] if value in words else int(value)
