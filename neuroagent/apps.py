"""The Django app."""

from django.apps import AppConfig


class NeuroagentConfig(AppConfig):
    """The chat backend's database."""

    name = "neuroagent"
    verbose_name = "Neuroagent"
    default_auto_field = "django.db.models.BigAutoField"
