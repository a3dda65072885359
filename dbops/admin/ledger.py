"""The ledger in the admin site, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from dbops.models import BackupRecord, Deployment, KeptData, Rehearsal, Step

if TYPE_CHECKING:
    StepBase = admin.TabularInline[Step, Deployment]
    DeploymentBase = admin.ModelAdmin[Deployment]
    BackupBase = admin.ModelAdmin[BackupRecord]
    RehearsalBase = admin.ModelAdmin[Rehearsal]
    KeptBase = admin.ModelAdmin[KeptData]
else:
    StepBase = admin.TabularInline
    DeploymentBase = BackupBase = RehearsalBase = KeptBase = admin.ModelAdmin


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


class StepInline(ReadOnly, StepBase):
    """The migrations of a deployment."""

    model = Step
    extra = 0
    fields = ("position", "app", "migration", "direction", "state", "duration_s", "sql")


@admin.register(Deployment)
class DeploymentAdmin(ReadOnly, DeploymentBase):
    """What was deployed, by whom, and how it ended."""

    list_display = ("started_at", "kind", "state", "actor", "host", "backup_id")
    list_filter = ("kind", "state")
    inlines = (StepInline,)


@admin.register(BackupRecord)
class BackupAdmin(ReadOnly, BackupBase):
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


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnly, RehearsalBase):
    """What was rehearsed on a copy of this database, and what came of it."""

    list_display = ("rehearsed_at", "app", "migration", "round_trip", "duration_s")
    list_filter = ("round_trip", "app")


@admin.register(KeptData)
class KeptDataAdmin(ReadOnly, KeptBase):
    """What was kept of dropped tables and columns, and what became of it."""

    list_display = (
        "dropped_at",
        "kind",
        "name",
        "rows",
        "size_bytes",
        "until",
        "state",
    )
    list_filter = ("state", "kind")
