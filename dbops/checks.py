"""The rules of `dbops_check` as system checks of Django's.

Ids, hints and SILENCED_SYSTEM_CHECKS are the same. They speak in `manage.py check` and
`manage.py test`, and wherever Python code runs the checks. Other commands are not
stopped by them: makemigrations is the cure, and migrate must not fail for a missing
review file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.core.checks.messages import ERROR, INFO, WARNING
from django.core.management import get_commands
from django.db import connections

from dbops.conf import read_settings
from dbops.core.finding import Finding, Level

TAG = "dbops"
SPOKEN_IN = ("check", "test")
LEVELS = {Level.ERROR: ERROR, Level.WARNING: WARNING, Level.INFO: INFO}


def register_checks() -> None:
    """Let Django know of them."""
    register(check_files, Tags.models, TAG)
    register(check_database, Tags.database, TAG)


def check_files(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """Apply the rules that need no database."""
    if not _is_spoken():
        return []
    # Imported when they are needed: each command pays for what is imported above.
    from dbops.operations.check.check import apply_static_rules, build_broken
    from dbops.operations.check.graph import read_project

    labels = _list_labels(app_configs)
    try:
        settings = read_settings()
        project = read_project(settings, labels)
        return _build_messages(
            finding
            for _, findings in apply_static_rules(project, settings, labels)
            for finding in findings
        )
    except Exception as error:  # noqa: BLE001  Migrations are other people's.
        return _build_messages([build_broken(error)])


def check_database(
    app_configs: Sequence[AppConfig] | None,
    databases: Iterable[str] | None = None,
    **_: Any,
) -> list[CheckMessage]:
    """Find applied migrations that were edited; nothing where no server answers."""
    if not _is_spoken():
        return []
    from django.db.migrations.loader import MigrationLoader

    from dbops.operations.check.check import find_edited
    from dbops.operations.context import build_context

    messages: list[CheckMessage] = []
    for alias in databases or ():
        try:
            if connections[alias].vendor == "postgresql":
                messages += _build_messages(
                    find_edited(
                        build_context(alias),
                        MigrationLoader(None, ignore_no_migrations=True),
                        read_settings(),
                        _list_labels(app_configs),
                    )
                )
        except Exception:  # noqa: BLE001, S112  Django's own checks tell of those.
            continue
    return messages


def _is_spoken() -> bool:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    return command in SPOKEN_IN or command not in get_commands()


def _list_labels(app_configs: Sequence[AppConfig] | None) -> frozenset[str]:
    return frozenset(each.label for each in app_configs or ())


def _build_messages(findings: Iterable[Finding]) -> list[CheckMessage]:
    return [
        CheckMessage(
            LEVELS[each.level],
            each.message,
            hint=each.hint or None,
            obj=_find_place(each),
            id=each.id,
        )
        for each in findings
    ]


def _find_place(finding: Finding) -> str | None:
    if finding.path and finding.line:
        return f"{finding.path}:{finding.line}"
    return finding.path or finding.object or None
