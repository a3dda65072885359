"""Which databases are deployed together, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from django.apps import AppConfig, apps
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader

from dbops.core.fleet import FleetPlan, order_waves
from dbops.errors import UsageError
from dbops.operations.history import LEDGER_APP

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """What a person may choose for a fleet."""

    databases: str
    """Aliases with commas between them, or `all`."""
    canary: str | None = None
    """Deployed first, and alone; the first of them where none is named."""
    wave: int = 1
    """How many at a time after that."""
    max_failures: int = 1
    dry_run: bool = False
    arguments: tuple[str, ...] = ()
    """What else each deployment is told."""
    again: str
    """The command that goes on later."""
    from_command_line: bool = True


def build_plan(options: FleetOptions) -> FleetPlan:
    """Return the waves.

    Raises:
        UsageError: an alias is unknown or not PostgreSQL, or a number is not positive.
    """
    for name, number in (
        ("--wave", options.wave),
        ("--max-failures", options.max_failures),
    ):
        if number < 1:
            raise UsageError(f"{name} {number} is none", hint=f"{name} 1")
    aliases = list(_list_aliases(options.databases))
    if options.canary is not None and options.canary not in aliases:
        raise UsageError(
            f'the canary "{options.canary}" is not one of the databases',
            hint=f"use --canary with one of: {', '.join(aliases)}",
        )
    return FleetPlan(
        waves=order_waves(aliases, canary=options.canary, wave=options.wave),
        max_failures=options.max_failures,
        dry_run=options.dry_run,
    )


def _list_aliases(databases: str) -> Iterator[str]:
    if databases.strip() == ALL:
        found = [each for each in connections if _belongs_to_all(each)]
        if not found:
            raise UsageError(
                "the settings have no PostgreSQL database that migrations go to",
                hint=f"name them: --databases {','.join(connections)}",
            )
        yield from found
        return
    named = [each.strip() for each in databases.split(",") if each.strip()]
    if not named:
        raise UsageError(
            "--databases names none",
            hint=f"use --databases all, or some of: {', '.join(connections)}",
        )
    for alias in named:
        _require_postgresql(alias)
        yield alias


def _require_postgresql(alias: str) -> None:
    usable = [each for each in connections if _is_postgresql(each)]
    hint = f"use --databases with some of: {', '.join(usable)}"
    if alias not in connections.settings:
        raise UsageError(f'there is no database "{alias}" in the settings', hint=hint)
    if not _is_postgresql(alias):
        vendor = connections[alias].vendor
        raise UsageError(
            f'database "{alias}" is {vendor}, and dbops is for PostgreSQL', hint=hint
        )


def _is_postgresql(alias: str) -> bool:
    return bool(connections[alias].vendor == "postgresql")


def _belongs_to_all(alias: str) -> bool:
    """Leave out other kinds, replicas, and what no migration goes to."""
    if not _is_postgresql(alias):
        return False
    if connections.settings[alias]["TEST"]["MIRROR"]:
        return False
    return any(
        _goes_there(alias, each)
        for each in apps.get_app_configs()
        if each.label != LEDGER_APP
    )


def _goes_there(alias: str, app: AppConfig) -> bool:
    module, _ = MigrationLoader.migrations_module(app.label)
    if module is None or find_spec(module) is None:
        return False
    return bool(
        router.allow_migrate(alias, app.label)
        or router.get_migratable_models(app, alias)
    )


def tell_shared_backups(aliases: Sequence[str]) -> Iterator[str]:
    """Say whose backups lie in one folder, for that has the database's name alone."""
    seen: dict[str, dict[tuple[str, str], str]] = {}
    for alias in aliases:
        given = connections.settings[alias]
        servers = seen.setdefault(given["NAME"], {})
        servers.setdefault((given["HOST"], str(given["PORT"])), alias)
    for name, servers in seen.items():
        if len(servers) > 1:
            told = " and ".join(f'"{each}"' for each in servers.values())
            yield (
                f"{told} keep their backups in one place, since both are named "
                f'"{name}": "latest" is the latest of them all'
            )
