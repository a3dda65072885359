"""The admin site: the ledger, and the operations page."""

from dbops.admin import ledger, operations

__all__ = ["ledger", "operations"]
