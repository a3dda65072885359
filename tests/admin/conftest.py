"""The test database with somebody in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection

from dbops.core.target import Target
from tests.crowd import Crowd, open_crowd
from tests.databases import connect, find_server

NAME = "<b>gunicorn</b>"
LOCK = "LOCK TABLE threads IN ACCESS EXCLUSIVE MODE"


@dataclass(frozen=True, slots=True)
class Blocked:
    """One session in the way, and one behind it."""

    crowd: Crowd
    target: Target

    @property
    def blocker(self) -> int:
        return self.crowd.pids[0]

    @property
    def waiter(self) -> int:
        return self.crowd.pids[1]


@contextmanager
def open_blocked(target: Target, *, name: str = NAME) -> Iterator[Blocked]:
    """Let a session that is idle in transaction keep another one from a table."""
    with open_crowd(target, options=f"-c application_name={name}") as crowd:
        first, second = crowd.add(2)
        crowd.execute(first, "BEGIN", LOCK)
        crowd.wait(second, "SELECT count(*) FROM threads")
        yield Blocked(crowd, target)


@pytest.fixture
def target(db: None) -> Target:
    """The test database, for sessions beside Django's."""
    return find_server().with_database(connection.settings_dict["NAME"])


@pytest.fixture
def blocked(target: Target) -> Iterator[Blocked]:
    with open_blocked(target) as found:
        yield found


@pytest.fixture
def ledger(target: Target) -> Iterator[None]:
    """What is written into the ledger meanwhile is gone in the end."""
    with connect(target) as session:
        yield
        session.execute("DELETE FROM dbops_deployment WHERE kind = 'locks'")


@pytest.fixture
def admin_user(db: None, django_user_model: Any) -> Any:
    """A superuser without a password, which would take long to hash."""
    return django_user_model.objects.create_superuser("ada")
