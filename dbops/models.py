"""The ledger: what dbops did to this database, when, by whom, and how it ended.

Written by `dbops.postgres.ledger` on a connection of its own, so that a record of a
failure survives the transaction that failed; read here by the admin site.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Deployment(models.Model):
    """One run of a command that changes the database."""

    class Kind(models.TextChoices):
        BASELINE = "baseline", _("baseline")
        DEPLOY = "deploy", _("deploy")
        ROLLBACK = "rollback", _("rollback")
        RESOLVE = "resolve", _("resolve")
        RESTORE = "restore", _("restore")
        LOCKS = "locks", _("sessions cancelled or terminated")

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed, nothing changed")
        REVERTED = "reverted", _("failed, everything put back")
        NEEDS_REPAIR = "needs_repair", _("needs repair")

    id = models.UUIDField(primary_key=True)
    kind = models.TextField(choices=Kind.choices)
    state = models.TextField(choices=State.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    actor = models.TextField(help_text=_("user of the operating system"))
    role = models.TextField(help_text=_("role on the server"))
    host = models.TextField()
    git_revision = models.TextField(help_text=_("empty where there is none"))
    dbops_version = models.TextField()
    backup_id = models.TextField()
    fingerprint_before = models.TextField()
    fingerprint_after = models.TextField()
    message = models.TextField()
    # Defaults of the database: releases that do not know the column write here too.
    allowed = models.TextField(
        db_default="[]", help_text=_("guards that a person let pass, as JSON")
    )

    class Meta:
        db_table = "dbops_deployment"
        ordering = ("-started_at",)
        verbose_name = _("deployment")

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M:%S} {self.state}"


class Step(models.Model):
    """One migration, or one operation of a non-atomic one, within a deployment."""

    class Direction(models.TextChoices):
        FORWARD = "forward", _("forward")
        BACKWARD = "backward", _("backward")

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True)
    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="steps"
    )
    position = models.IntegerField(help_text=_("order within the deployment, from 1"))
    app = models.TextField()
    migration = models.TextField()
    operation = models.IntegerField(
        null=True, help_text=_("from 1; empty for a migration as a whole")
    )
    description = models.TextField()
    direction = models.TextField(choices=Direction.choices)
    state = models.TextField(choices=State.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    duration_s = models.FloatField(null=True)
    sql = models.TextField(help_text=_("statements that ran, without their values"))
    fingerprint_before = models.TextField()
    fingerprint_after = models.TextField()
    message = models.TextField()
    # A default of the database: releases that do not know the column write here too.
    digest = models.TextField(
        db_default="", help_text=_("of the migration as it was applied")
    )
    down_digest = models.TextField(
        db_default="", help_text=_("of its down.sql then; empty where there was none")
    )
    blocked_sessions = models.IntegerField(
        db_default=0, help_text=_("the most that it kept waiting at one moment")
    )
    blocked_s = models.FloatField(
        db_default=0.0, help_text=_("the longest that one of them waited")
    )

    class Meta:
        db_table = "dbops_step"
        ordering = ("deployment", "position")
        verbose_name = _("step")

    def __str__(self) -> str:
        return f"{self.app}.{self.migration} {self.direction} {self.state}"


class Operations(Deployment):
    """The operations page of the admin site, which has permissions of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = [
            ("view_operations", "Can view the operations page"),
            ("signal_sessions", "Can cancel queries and terminate sessions"),
        ]
        verbose_name = _("operations")
        verbose_name_plural = _("operations")


class BackupRecord(models.Model):
    """A backup that was published; its manifest beside the archive is the truth."""

    backup_id = models.TextField(primary_key=True)
    location = models.TextField()
    taken_at = models.DateTimeField()
    duration_s = models.FloatField()
    size_bytes = models.BigIntegerField()
    database_size_bytes = models.BigIntegerField()
    fingerprint = models.TextField()
    verified = models.TextField()

    class Meta:
        db_table = "dbops_backup"
        ordering = ("-taken_at",)
        verbose_name = _("backup")

    def __str__(self) -> str:
        return self.backup_id


class CatalogRecord(models.Model):
    """A schema that a fingerprint of the ledger stands for."""

    fingerprint = models.TextField(primary_key=True)
    catalog = models.TextField(help_text=_("as written by dbops.core.catalog"))

    class Meta:
        db_table = "dbops_catalog"
        verbose_name = _("catalog")

    def __str__(self) -> str:
        return self.fingerprint[:12]


class Rehearsal(models.Model):
    """What the rehearsal of one migration showed, on a copy of this database."""

    id = models.UUIDField(primary_key=True)
    run = models.UUIDField(help_text=_("the same for all of one run"))
    rehearsed_at = models.DateTimeField()
    actor = models.TextField(help_text=_("user of the operating system"))
    host = models.TextField()
    dbops_version = models.TextField()
    server_version = models.TextField(help_text=_("of the scratch database"))
    backup_id = models.TextField(help_text=_("empty where no rows were copied"))
    app = models.TextField()
    migration = models.TextField()
    digest = models.TextField(help_text=_("of the migration as it was rehearsed"))
    round_trip = models.TextField()
    duration_s = models.FloatField()
    report = models.TextField(help_text=_("all that was seen, as JSON"))
    down_digest = models.TextField(
        db_default="", help_text=_("of its down.sql then; empty where there was none")
    )

    class Meta:
        db_table = "dbops_rehearsal"
        ordering = ("-rehearsed_at",)
        verbose_name = _("rehearsal")

    def __str__(self) -> str:
        return f"{self.app}.{self.migration} {self.round_trip}"


class KeptData(models.Model):
    """A table or column that a migration dropped, and that was kept for a while."""

    class State(models.TextChoices):
        KEPT = "kept", _("kept")
        RETURNED = "returned", _("brought back by a rollback")
        PURGED = "purged", _("dropped, as its time was over")

    id = models.UUIDField(primary_key=True)
    deployment = models.ForeignKey(
        Deployment, on_delete=models.CASCADE, related_name="kept_data"
    )
    kind = models.TextField(help_text=_("table or column"))
    name = models.TextField()
    place = models.TextField(help_text=_("where it is"))
    app = models.TextField()
    migration = models.TextField()
    rows = models.BigIntegerField(help_text=_("of a column, its values"))
    is_estimate = models.BooleanField(help_text=_("whether nobody counted them"))
    size_bytes = models.BigIntegerField()
    dropped_at = models.DateTimeField()
    until = models.DateTimeField()
    state = models.TextField(choices=State.choices)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "dbops_kept_data"
        ordering = ("-dropped_at",)
        verbose_name = _("kept data")
        verbose_name_plural = _("kept data")

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


class Entry(models.Model):
    """What was written to one row of the ledger, chained by hash to what was before.

    Only added to. See `dbops.core.chain`.
    """

    position = models.BigIntegerField(primary_key=True, help_text=_("from 1"))
    recorded_at = models.DateTimeField()
    event = models.TextField(help_text=_("what was written"))
    table_name = models.TextField()
    row_key = models.TextField()
    content = models.TextField(help_text=_("the row after it, as JSON"))
    previous = models.TextField(help_text=_("hash of the entry before"))
    hash = models.TextField()

    class Meta:
        db_table = "dbops_entry"
        ordering = ("position",)
        verbose_name = _("entry")
        verbose_name_plural = _("entries")

    def __str__(self) -> str:
        return f"{self.position} {self.event} {self.hash[:12]}"


class Turn(models.Model):
    """One holding of the deploy lock: who has it, what for, and how it ended."""

    token = models.BigIntegerField(
        primary_key=True, help_text=_("grows with each turn")
    )
    kind = models.TextField()
    actor = models.TextField(help_text=_("user of the operating system"))
    host = models.TextField()
    pid = models.IntegerField(help_text=_("of the session that works"))
    taken_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    plan = models.TextField(help_text=_("what it is to do, as JSON"))
    step = models.TextField(help_text=_("what it is at"))
    exit_code = models.IntegerField(null=True)
    verdict = models.TextField(help_text=_("how it ended, as JSON"))

    class Meta:
        db_table = "dbops_turn"
        ordering = ("-token",)
        verbose_name = _("turn")

    def __str__(self) -> str:
        return f"{self.token} {self.kind}"


class Statement(models.Model):
    """One statement outside a transaction, of an operation of a migration."""

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True)
    app = models.TextField()
    migration = models.TextField()
    operation = models.IntegerField(help_text=_("from 1"))
    number = models.IntegerField(
        help_text=_("from 1; 0 says that they are written down")
    )
    state = models.TextField(choices=State.choices)
    began_at = models.DateTimeField()
    sql = models.TextField(help_text=_("without its values"))

    class Meta:
        db_table = "dbops_statement"
        ordering = ("began_at",)
        verbose_name = _("statement")
        indexes = [
            models.Index(fields=["app", "migration"], name="dbops_statement_of"),
        ]

    def __str__(self) -> str:
        return f"{self.app}.{self.migration} {self.operation}.{self.number}"
