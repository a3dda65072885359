"""The name of a migration."""

from __future__ import annotations

from typing import NamedTuple


class MigrationId(NamedTuple):
    """One migration of one app; as text `app.0002_name`."""

    app: str
    name: str

    def __str__(self) -> str:
        """Return the form that reports use.

        >>> str(MigrationId("shop", "0001_initial"))
        'shop.0001_initial'
        """
        return f"{self.app}.{self.name}"
