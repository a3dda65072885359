"""A database of its own for the admin site, from which it only reads."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import InternalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from neuroagent.admin.access import limit_time
from neuroagent.database import read_inspection_url
from neuroagent.models import Thread
from tests.factories import ThreadFactory
from tests.neuroagent.conftest import NewDatabase
from tests.neuroagent.pages import (
    build_conversation_url,
    build_overview_url,
    build_url,
)


@pytest.fixture
def inspection(
    new_database: NewDatabase, settings: Any
) -> Iterator[BaseDatabaseWrapper]:
    """A database with a thread, which `default` has not, as ADMIN_DATABASE_URL is."""
    with new_database("inspection") as connection:
        call_command("migrate", "neuroagent", database="inspection", verbosity=0)
        with limit_time("inspection"):
            Thread.objects.using("inspection").create(
                title="Only here", user_id="0" * 32
            )
        connection.close()
        options = read_inspection_url("postgres://h/d", timeout_s=5)["OPTIONS"]
        connection.settings_dict["OPTIONS"] = {
            **connection.settings_dict["OPTIONS"],
            **options,
        }
        settings.ADMIN_DATABASE = "inspection"
        yield connection


@pytest.fixture
def reader(inspection: BaseDatabaseWrapper) -> Iterator[Client]:
    """A superuser, who is in the default database."""
    user = User.objects.create_superuser("reader")
    client = Client()
    client.force_login(user)
    yield client
    client.logout()
    user.delete()


def test_pages_are_read_from_it_and_cannot_write_to_it(reader: Client) -> None:
    (thread,) = Thread.objects.using("inspection")
    page: Any = reader.get(build_conversation_url(thread))
    assert page.status_code == 200
    assert page.context["thread"]._state.db == "inspection"
    listed: Any = reader.get(build_url(Thread, "changelist"))
    assert list(listed.context["cl"].result_list) == [thread]
    export: Any = reader.get(build_url(Thread, "export", "jsonl"))
    assert b"Only here" in b"".join(export.streaming_content)
    assert reader.get(build_overview_url(), {"days": "90"}).status_code == 200
    with pytest.raises(InternalError, match="read-only"):
        thread.save(using="inspection")
    with connections["inspection"].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("5s",)


def test_a_database_that_is_gone_is_explained(
    inspection: BaseDatabaseWrapper, reader: Client
) -> None:
    inspection.close()
    before = inspection.settings_dict
    inspection.settings_dict = {**before, "HOST": "127.0.0.1", "PORT": "1"}
    try:
        response = reader.get(build_url(Thread, "changelist"))
        assert response.status_code == 503
        assert "cannot be reached" in response.content.decode()
    finally:
        inspection.close()
        inspection.settings_dict = before


def test_what_only_reads_cannot_write_to_the_default_database_either(
    new_database: NewDatabase,
) -> None:
    with (
        pytest.raises(InternalError, match="read-only"),
        limit_time("default", read_only=True),
    ):
        ThreadFactory.create()
    assert not Thread.objects.exists()


def test_what_a_page_shows_is_of_one_moment(new_database: NewDatabase) -> None:
    with (
        limit_time("default", read_only=True),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
