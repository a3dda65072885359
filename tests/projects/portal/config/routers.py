"""What is where: by the app, and by what an operation hints at."""

from __future__ import annotations

from django.db.models import Model


class Router:
    """Keep the app `metrics` in a database of its own."""

    def db_for_read(self, model: type[Model], **hints: object) -> str:
        """Return the one database that has the model."""
        return find_place(model._meta.app_label)

    db_for_write = db_for_read

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: object
    ) -> bool:
        """Say whether an operation of the app belongs there; dbops is everywhere."""
        return app_label == "dbops" or db == hints.get("where", find_place(app_label))


def find_place(app_label: str) -> str:
    """Return the database of the app."""
    return "metrics" if app_label == "metrics" else "default"
