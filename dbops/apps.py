"""The Django app."""

from django.apps import AppConfig


class DbopsConfig(AppConfig):
    """Safe schema changes on PostgreSQL."""

    name = "dbops"
    verbose_name = "Database operations"
    default_auto_field = "django.db.models.BigAutoField"
