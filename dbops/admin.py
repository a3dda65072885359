"""The ledger in the admin site, to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from dbops.models import BackupRecord, Deployment, Step


class ReadOnly:
    """The ledger is written by what it records, and by nobody else."""

    def has_add_permission(self, *_: Any) -> bool:
        """Nobody may."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Nobody may."""
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        """Nobody may."""
        return False


class StepInline(ReadOnly, admin.TabularInline[Step, Deployment]):
    """The migrations of a deployment."""

    model = Step
    extra = 0
    fields = ("position", "app", "migration", "direction", "state", "duration_s", "sql")


@admin.register(Deployment)
class DeploymentAdmin(ReadOnly, admin.ModelAdmin[Deployment]):
    """What was deployed, by whom, and how it ended."""

    list_display = ("started_at", "kind", "state", "actor", "host", "backup_id")
    list_filter = ("kind", "state")
    inlines = (StepInline,)


@admin.register(BackupRecord)
class BackupAdmin(ReadOnly, admin.ModelAdmin[BackupRecord]):
    """The backups that were published from this database."""

    list_display = (
        "taken_at",
        "backup_id",
        "verified",
        "size_bytes",
        "database_size_bytes",
        "duration_s",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Newest first."""
        return super().get_queryset(request).order_by("-taken_at")
