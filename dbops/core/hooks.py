"""What a project runs around a deployment: `DBOPS["HOOKS"]`.

{"before": [["systemctl", "stop", "app"]],
 "after": [["systemctl", "start", "app"], "app.hooks.warm_up"],
 "on_failure": [{"run": "app.hooks.tell_team", "timeout_s": 10}]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from dbops.core.migration import MigrationId
from dbops.errors import Refused

SETTING = 'DBOPS["HOOKS"]'
DEFAULT_TIMEOUT_S = 60.0


class HookKind(StrEnum):
    """When a hook runs; the values are the keys of the setting."""

    BEFORE = "before"
    """After guards, backup and rehearsal, right before the first change."""
    AFTER = "after"
    """After the schema was verified."""
    ON_FAILURE = "on_failure"
    """When the run has failed, and what could be put back was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEvent:
    """What a hook is told."""

    kind: HookKind
    database: str
    """The alias of the settings."""
    deployment_id: UUID | None
    state: str
    """`running`; in a failure `failed` (nothing was changed), `reverted` or
    `needs_repair`."""
    applied: tuple[MigrationId, ...]
    """What this run has applied, and not taken back."""
    problem: str = ""
    """Why it failed."""

    def build_environment(self) -> dict[str, str]:
        """Return the variables that a command gets beside those of its parent."""
        return {
            "DBOPS_EVENT": self.kind.value,
            "DBOPS_DATABASE": self.database,
            "DBOPS_DEPLOYMENT_ID": str(self.deployment_id or ""),
            "DBOPS_STATE": self.state,
            "DBOPS_APPLIED": " ".join(map(str, self.applied)),
            "DBOPS_PROBLEM": self.problem.replace("\0", ""),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One command or callable."""

    kind: HookKind
    command: tuple[str, ...] = ()
    path: str = ""
    """Dotted path of a callable, where it is no command."""
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def name(self) -> str:
        """What it is called in messages; arguments may be secret."""
        return self.path or self.command[0]


def parse_hooks(given: object) -> tuple[Hook, ...]:
    """Return the hooks of the setting, in their order.

    Raises:
        Refused: it cannot be read.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise _refuse(f"{SETTING} is no mapping")
    known = [each.value for each in HookKind]
    for key in given:
        if key not in known:
            raise _refuse(f'{SETTING} has "{key}"; known are {", ".join(known)}')
    return tuple(
        _parse(each, kind, f'{SETTING}["{kind}"][{number}]')
        for kind in HookKind
        for number, each in enumerate(_read_list(given, kind))
    )


def _read_list(given: Mapping[str, Any], kind: HookKind) -> Sequence[object]:
    found = given.get(kind.value, ())
    if not isinstance(found, (list, tuple)):
        raise _refuse(f'{SETTING}["{kind}"] is no list')
    return found


def _parse(given: object, kind: HookKind, where: str) -> Hook:
    timeout_s: Any = DEFAULT_TIMEOUT_S
    if isinstance(given, Mapping):
        if given.keys() - {"run", "timeout_s"} or "run" not in given:
            raise _refuse(f'{where}: a mapping has "run", and may have "timeout_s"')
        timeout_s = given.get("timeout_s", timeout_s)
        given = given["run"]
    is_number = isinstance(timeout_s, (int, float)) and not isinstance(timeout_s, bool)
    if not is_number or not 0 < timeout_s < float("inf"):
        raise _refuse(f'{where}: "timeout_s" is {timeout_s!r}')
    match given:
        case str() if given and " " not in given:
            return Hook(kind=kind, path=given, timeout_s=float(timeout_s))
        case [*words] if words and all(isinstance(each, str) for each in words):
            command = tuple(map(str, words))
            return Hook(kind=kind, command=command, timeout_s=float(timeout_s))
    raise _refuse(
        f"{where} is neither a list of words nor the dotted path of a callable"
    )


def _refuse(problem: str) -> Refused:
    return Refused(
        problem, hint=f"correct {SETTING}: docs/how-to/verify-a-deployment.md"
    )
