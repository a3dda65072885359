"""The operations page of other databases than the default one: down, empty, strange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client
from django.urls import resolve

from dbops.core.target import Target
from dbops.operations.replay import SETTINGS_OF_KEYWORDS
from tests.admin.conftest import Blocked, open_blocked
from tests.admin.pages import build_act_url, build_url, read
from tests.databases import find_server, temporary_database, temporary_role


@contextmanager
def another_database(target: Target) -> Iterator[str]:
    """Have an alias beside the default one."""
    alias = "another"
    told = {
        name: target.parameters[key]
        for key, name in SETTINGS_OF_KEYWORDS.items()
        if key in target.parameters
    }
    connections.databases[alias] = {
        **deepcopy(connections["default"].settings_dict),
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {},
        **told,
    }
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@pytest.fixture
def admin(django_db_setup: None, django_db_blocker: Any) -> Iterator[Client]:
    """A superuser, beside whom other databases may be connected to."""
    with django_db_blocker.unblock():
        user = User.objects.create_superuser("ada")
        client = Client()
        client.force_login(user)
        yield client
        client.logout()
        user.delete()


@pytest.fixture
def blocked(admin: Client) -> Iterator[Blocked]:
    with open_blocked(
        find_server().with_database(connection.settings_dict["NAME"])
    ) as found:
        yield found


def test_no_page_runs_in_a_transaction_of_the_request(admin: Client) -> None:
    default = connections["default"]
    default.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert "Safe to deploy" in read(admin, build_url())
        assert admin.get("/readyz").status_code == 200
        match = resolve(build_url())
        assert "default" in match.func._non_atomic_requests  # type: ignore[attr-defined]
    finally:
        default.settings_dict["ATOMIC_REQUESTS"] = False


def test_a_database_that_is_down_is_told_on_the_page(admin: Client) -> None:
    parameters = {"host": "127.0.0.1", "port": "1", "dbname": "gone"}
    with another_database(Target(alias="another", parameters=parameters)) as alias:
        page = read(admin, f"{build_url()}?database={alias}")
        assert "Not safe to deploy" in page
        assert "cannot connect to database" in page
        part = read(admin, f"{build_url('locks')}?database={alias}")
        assert "cannot connect to database" in part
        url = f"{build_act_url(1)}?database={alias}"
        assert "cannot connect" in read(admin, url, status=503)
    assert admin.get(f"{build_url()}?database=nothing").status_code == 404


def test_a_database_without_a_ledger_can_be_looked_at(admin: Client) -> None:
    with temporary_database() as empty, another_database(empty) as alias:
        page = read(admin, f"{build_url()}?database={alias}")
    assert "There is no ledger in this database yet" in page
    assert f'<option value="{alias}" selected>' in page
    assert "manage.py dbops_deploy" in page


def test_a_role_that_may_little_gets_a_page(admin: Client, blocked: Blocked) -> None:
    with (
        temporary_role(blocked.target, "SELECT 1") as stranger,
        another_database(stranger) as alias,
    ):
        page = read(admin, f"{build_url()}?database={alias}")
        url = f"{build_act_url(blocked.blocker)}?database={alias}"
        refused = read(admin, url, status=409)
    assert "GRANT pg_read_all_stats TO" in page
    assert "GRANT pg_read_all_stats TO" in refused
