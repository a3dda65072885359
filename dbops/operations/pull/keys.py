"""What indexes and constraints say of one column."""

from __future__ import annotations

import re

from dbops.core.python_code import Call
from dbops.core.table_facts import TableFacts

LIKE = re.compile(r".*_[0-9a-f]{8}_like")


def has_like_index(facts: TableFacts, bare: str) -> bool:
    """Say whether there is the second index that Django gives a text."""
    return any(
        LIKE.fullmatch(each.name)
        and each.text is not None
        and each.text.columns == (bare,)
        and (each.text.items[0].opclass or "").endswith("_pattern_ops")
        for each in facts.indexes
    )


def has_unique(facts: TableFacts, column: str) -> bool:
    """Say whether this column alone is unique, in the plainest way."""
    return any(
        each.columns == (column,)
        and each.is_plain
        and each.nulls_distinct
        and not each.deferrable
        for each in facts.uniques
    )


def says_unique(call: Call) -> bool:
    """Say whether the field itself makes the column unique."""
    return bool(call.kwargs.get("unique")) or call.path.endswith("OneToOneField")


def find_single_index(facts: TableFacts, column: str) -> str | None:
    """Return the plain index on this column alone, Django's own name first."""
    found = [
        each.name
        for each in facts.indexes
        if each.text is not None
        and each.text.columns == (column,)
        and each.text.method == "btree"
        and not each.text.is_unique
        and not each.text.where
        and not each.text.include
        and not each.text.options
        and each.text.items[0].opclass is None
        and each.text.items[0].collation is None
        and not each.text.items[0].is_descending
        and each.text.items[0].nulls is None
        and each.comment is None
    ]
    generated = [name for name in found if re.fullmatch(r".*_[0-9a-f]{8}", name)]
    return next(iter(generated or found), None)


def has_single_index(facts: TableFacts, column: str) -> bool:
    """Say whether there is a plain index on this column alone."""
    return find_single_index(facts, column) is not None


def has_django_index(facts: TableFacts, column: str) -> bool:
    """Say whether that has a name that Django made up."""
    name = find_single_index(facts, column)
    return name is not None and re.fullmatch(r".*_[0-9a-f]{8}", name) is not None
