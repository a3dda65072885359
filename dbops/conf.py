"""The settings of dbops: `DBOPS = {...}` in the project's settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project may set; each field is the setting's name in lower case."""

    backup_storage: str = ""
    """Directory or URL (`s3://`, `gs://`, `az://`, `file://`) of the backups; default
    `backups/` in the working directory."""
    backup_level: str = "contents"
    """How far each backup is proven before it is published: `none`, `checksum`,
    `contents` or `restored`."""
    backup_engine: str = "dump"
    """What takes the backups: `dump`, or `pgbackrest` for large databases."""
    pgbackrest_stanza: str = ""
    """The stanza of this database's server in pgBackRest's configuration."""
    pgbackrest_config: str = ""
    """Absolute path of that configuration; default pgBackRest's own."""
    pgbackrest_command: tuple[str, ...] = ("pgbackrest",)
    """Words that run pgBackRest, as in `["sudo", "-u", "postgres", "pgbackrest"]`."""
    backup_recipients: tuple[str, ...] = ()
    """Public keys (`age1...` or SSH) that backups are encrypted to; default none."""
    backup_identity_file: str = ""
    """File with the private key that encrypted backups are opened with."""
    scratch_url: str = ""
    """`postgres://` URL of a server where scratch databases may be made; default
    the server of the database itself."""
    cache_dir: str = ""
    """Directory where what the migrations build is kept between runs; default
    `dbops/` in the user's cache directory."""
    ignore: tuple[str, ...] = ()
    """Names (with `*`) of tables and other objects that belong to somebody else."""
    pg_bin: str = ""
    """Directory of pg_dump and pg_restore, looked at before all others."""
    keep_dropped: float = 0
    """For how many days tables and columns that a deployment drops are kept, so that a
    rollback brings back their rows and values; default 0: they are not kept."""
    rehearse: bool = True
    """Whether `dbops_deploy` rehearses what was not rehearsed today."""
    deploy_allow: tuple[str, ...] = ()
    """Guards of `dbops_deploy` that this project always lets pass, by their names."""
    smoke_checks: tuple[Mapping[str, Any], ...] = ()
    """HTTP requests that show whether the application works, after a deployment."""
    hooks: Mapping[str, Any] | None = None
    """Commands and callables around a deployment: `before`, `after`, `on_failure`."""
    watch: Mapping[str, Any] | None = None
    """From where on `dbops_deploy --watch` sounds an alarm; default: see
    `dbops.core.watch.Thresholds`."""
    lock_timeout_s: float = 2.0
    """How long one statement of a migration may wait for a strong lock."""
    lock_budget_s: float = 120.0
    """How long a migration is tried again when it does not get its locks."""
    lock_gap_s: float = 0.05
    """How old a transaction that has a table must be for a migration to wait for it
    instead of queueing behind it; 0: it queues at once."""
    lock_budget: Mapping[str, Any] | None = None
    """How long a migration may keep others from a table, as `dbops_rehearse` measures
    it; default `{"reads_s": 1, "writes_s": 3}`."""
    lock_rules_min_rows: int = 10_000
    """Tables with fewer rows are small: a lock on one while it is scanned or rewritten
    is a note in `dbops_check`."""
    notify: tuple[str, ...] = ()
    """URLs of apprise that are told when backups fail, and `mailto:` for ADMINS."""
    metrics_token: str = ""
    """What a scraper of `dbops.views.metrics` or `backup_metrics` has to know."""
    seed: str = ""
    """Management command, with its arguments, that `dbops_reset` fills a new database
    with; default none."""
    project_apps: tuple[str, ...] = ()
    """Labels of the project's own apps; default those outside site-packages."""

    @property
    def backup_directory(self) -> str:
        """Where backups are kept."""
        return self.backup_storage or str(Path.cwd() / "backups")

    @property
    def cache_directory(self) -> Path:
        """Where what the migrations build is kept between runs."""
        if self.cache_dir:
            return Path(self.cache_dir)
        home = os.environ.get("XDG_CACHE_HOME")
        return (Path(home) if home else Path.home() / ".cache") / "dbops"


def read_settings() -> Settings:
    """Return the project's settings.

    Raises:
        ImproperlyConfigured: a name that dbops does not know.
    """
    given: dict[str, Any] = getattr(settings, "DBOPS", {})
    known = {field.name.upper() for field in fields(Settings)}
    for name in sorted(given.keys() - known):
        raise ImproperlyConfigured(
            f'DBOPS["{name}"] is not a setting of dbops; known are '
            f"{', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {
        name.lower(): tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value not in (None, "")
    }
    return Settings(**values)
