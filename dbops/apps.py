"""The Django app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class DbopsConfig(AppConfig):
    """Safe schema changes on PostgreSQL."""

    name = "dbops"
    verbose_name = "Database operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let `migrate` adopt an existing database after proof; register checks."""
        from dbops.checks import register_checks

        register_checks()
        pre_migrate.connect(_prepare, sender=self, dispatch_uid="dbops.prepare")
        post_migrate.connect(_record, sender=self, dispatch_uid="dbops.record")


# Imported when the signal comes: every start of every command would pay for it.
def _prepare(**signal: Any) -> None:
    from dbops.operations.adopt import on_migrate as adopt_on_migrate

    adopt_on_migrate.prepare(**signal)


def _record(**signal: Any) -> None:
    from dbops.operations.adopt import on_migrate as adopt_on_migrate

    adopt_on_migrate.record(**signal)
