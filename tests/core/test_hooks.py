"""What `DBOPS["HOOKS"]` may be."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from dbops.core.hooks import HookEvent, HookKind, parse_hooks
from dbops.core.migration import MigrationId
from dbops.errors import Refused


def test_reads_commands_and_callables() -> None:
    before, after, failed = parse_hooks(
        {
            "on_failure": [{"run": ["tell", "team"], "timeout_s": 5}],
            "before": [["stop", "app"]],
            "after": ("app.hooks.warm_up",),
        }
    )

    assert (before.kind, before.command) == (HookKind.BEFORE, ("stop", "app"))
    assert (after.path, after.timeout_s) == ("app.hooks.warm_up", 60.0)
    assert (failed.name, failed.timeout_s) == ("tell", 5.0)
    assert parse_hooks(None) == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "is no mapping"),
        ({"later": []}, '"later"; known are before, after, on_failure'),
        ({"after": "app.hook"}, "is no list"),
        ({"after": ["rm -r /"]}, "neither a list of words nor the dotted path"),
        ({"after": [[]]}, "neither a list of words nor the dotted path"),
        ({"after": [["a", 1]]}, "neither a list of words nor the dotted path"),
        ({"after": [{"run": ["a"], "timeout": 1}]}, 'a mapping has "run"'),
        ({"after": [{"run": ["a"], "timeout_s": 0}]}, '"timeout_s" is 0'),
        ({"after": [{"run": ["a"], "timeout_s": True}]}, '"timeout_s" is True'),
    ],
)
def test_says_what_is_wrong(given: Any, told: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_hooks(given)

    assert told in caught.value.message


def test_tells_a_command_by_its_environment() -> None:
    event = HookEvent(
        kind=HookKind.ON_FAILURE,
        database="default",
        deployment_id=UUID(int=1),
        state="reverted",
        applied=(MigrationId("shop", "0001_a"), MigrationId("shop", "0002_b")),
        problem="it failed\0",
    )

    assert event.build_environment() == {
        "DBOPS_EVENT": "on_failure",
        "DBOPS_DATABASE": "default",
        "DBOPS_DEPLOYMENT_ID": "00000000-0000-0000-0000-000000000001",
        "DBOPS_STATE": "reverted",
        "DBOPS_APPLIED": "shop.0001_a shop.0002_b",
        "DBOPS_PROBLEM": "it failed",
    }
