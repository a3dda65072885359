"""Which database, and how to reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A database as libpq knows it; the secrets in it are kept out of its repr."""

    alias: str
    """The Django alias it goes by."""
    parameters: Mapping[str, str] = field(repr=False)
    """libpq keywords and values, `dbname` among them."""

    @property
    def database(self) -> str:
        """The database's name on the server."""
        return self.parameters["dbname"]

    @property
    def place(self) -> str:
        """Where it is, for messages: never a secret.

        >>> Target(
        ...     alias="default",
        ...     parameters={"dbname": "app", "host": "db1", "password": "x"},
        ... ).place
        'app on db1:5432'
        """
        host = self.parameters.get("host") or self.parameters.get("hostaddr")
        if not host:
            return f"{self.database} on the local socket"
        return f"{self.database} on {host}:{self.parameters.get('port') or 5432}"

    def with_database(self, name: str) -> Target:
        """Return the same server and role with another database."""
        return replace(self, parameters={**self.parameters, "dbname": name})
