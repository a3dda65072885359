"""The Django app."""

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
        from dbops.operations import adopt_on_migrate

        register_checks()

        pre_migrate.connect(
            adopt_on_migrate.prepare, sender=self, dispatch_uid="dbops.prepare"
        )
        post_migrate.connect(
            adopt_on_migrate.record, sender=self, dispatch_uid="dbops.record"
        )
