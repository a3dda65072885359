"""Names of models, fields and choices, from those in a database."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

RESERVED_CLASSES = frozenset({"Model", "Meta", "Manager", "QuerySet", "Q", "F"})


def name_class(text: str, taken: Collection[str]) -> str:
    """Return a class name that no other has, whatever its case.

    >>> name_class("order_line", ()), name_class("2nd try", ())
    ('OrderLine', 'Table2ndTry')
    >>> name_class("Order", {"Order"}), name_class("class", ())
    ('Order2', 'Class')
    """
    words = re.split(r"[^0-9A-Za-z]+", text.encode("ascii", "ignore").decode())
    name = "".join(word[:1].upper() + word[1:] for word in words)
    if not name or name[0].isdigit():
        name = f"Table{name}"
    if name in RESERVED_CLASSES or keyword.iskeyword(name):
        name += "Table"
    known = {each.lower() for each in taken}
    return _make_unique(name, known, lower=True)


def name_member(label: str, taken: Collection[str]) -> str:
    """Return the name of an enum's member.

    >>> name_member("it's ok", ()), name_member("3rd", ()), name_member("", ())
    ('IT_S_OK', 'VALUE_3RD', 'EMPTY')
    """
    plain = label.encode("ascii", "ignore").decode()
    name = re.sub(r"[^0-9A-Za-z]+", "_", plain).strip("_").upper()
    if not name:
        name = "EMPTY" if not label else "VALUE"
    if name[0].isdigit():
        name = f"VALUE_{name}"
    return _make_unique(name, taken)


def name_field(column: str, taken: Collection[str], reserved: Iterable[str]) -> str:
    """Return a field name for a column that is no identifier as it stands.

    >>> name_field("Mixed Case", (), ()), name_field("a__b", (), ())
    ('mixed_case', 'a_b')
    >>> name_field("class", (), ()), name_field("2nd", {"number_2nd"}, ())
    ('class_field', 'number_2nd_2')
    """
    plain = column.encode("ascii", "ignore").decode().lower()
    name = re.sub(r"_{2,}", "_", re.sub(r"\W", "_", plain))
    if name.startswith("_"):
        name = f"field{name}"
    if name.endswith("_"):
        name = f"{name}field"
    if not name:
        name = "field"
    if name[0].isdigit():
        name = f"number_{name}"
    if keyword.iskeyword(name) or name in set(reserved):
        name = f"{name}_field"
    return _make_unique(name, taken)


def _make_unique(name: str, taken: Collection[str], *, lower: bool = False) -> str:
    number, found = 1, name
    while (found.lower() if lower else found) in taken:
        number += 1
        found = f"{name}{number}" if lower else f"{name}_{number}"
    return found
