"""The SQL that Django's ORM has no words for, one query a file in `neuroagent/sql`."""

from functools import cache
from importlib import resources


@cache
def read_query(name: str) -> str:
    """Return a query by its name."""
    return (resources.files("neuroagent") / "sql" / f"{name}.sql").read_text("utf-8")
