"""Names for databases that stand beside another one."""

from __future__ import annotations

LONGEST_BYTES = 63


def name_beside(database: str, suffix: str) -> str:
    """Return the name with the suffix; cut where the server takes no longer ones.

    >>> name_beside("app", "_before_20261123T063000")
    'app_before_20261123T063000'
    >>> len(name_beside("ü" * 31, "_before_20261123T063000").encode())
    63
    """
    room = LONGEST_BYTES - len(suffix.encode())
    return database.encode()[:room].decode(errors="ignore") + suffix


def is_name(text: str) -> bool:
    """Tell whether the server takes it as a name, and does not cut it.

    >>> is_name("a b"), is_name(""), is_name("ü" * 32)
    (True, False, False)
    """
    return bool(text) and "\0" not in text and len(text.encode()) <= LONGEST_BYTES
