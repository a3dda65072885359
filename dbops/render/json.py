"""The one JSON document that a command writes with `--json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from dbops.core.migration import MigrationId
from dbops.errors import DbopsError


def render_report(command: str, database: str, report: object) -> str:
    """Return the document for a report: its fields beside the common ones."""
    code = getattr(report, "exit_code", 0)
    return _write(_build_head(command, database, code) | _build_fields(report))


def render_error(command: str, database: str, error: DbopsError) -> str:
    """Return the document for a failure, with what was found until then."""
    head = _build_head(command, database, error.exit_code)
    fields = _build_fields(error.report) if error.report is not None else {}
    told = {
        "type": _find_type(error).__name__,
        "message": error.message,
        "hint": error.hint,
    }
    return _write(head | fields | {"error": told})


def _find_type(error: DbopsError) -> type[DbopsError]:
    """Return the class that the reference knows, for one of a module's own."""
    return next(
        each for each in type(error).__mro__ if each.__module__ == DbopsError.__module__
    )


def _build_head(command: str, database: str, exit_code: int) -> dict[str, Any]:
    return {
        "command": command,
        "ok": exit_code == 0,
        "exit_code": exit_code,
        "database": database,
    }


def _write(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _build_fields(report: object) -> dict[str, Any]:
    fields = _build_value(report)
    if not isinstance(fields, dict):
        raise TypeError(f"{type(report).__name__} is not a report")
    return fields


def _build_value(value: Any) -> Any:  # noqa: PLR0911  One line a type.
    match value:
        case MigrationId() | Path() | UUID():
            return str(value)
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(key): _build_value(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_build_value(each) for each in value]
        case _ if dataclasses.is_dataclass(value):
            return {
                field.name: _build_value(getattr(value, field.name))
                for field in dataclasses.fields(value)
            }
        case _:
            return value
