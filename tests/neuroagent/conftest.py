from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import DjangoDbBlocker

TIMEOUT_S = 180.0

NewDatabase = Callable[[str], AbstractContextManager[BaseDatabaseWrapper]]


@pytest.fixture(autouse=True)
def settings_of_the_admin(settings: Any) -> None:
    """Read from the test database, whatever .env says, on a busy machine as well."""
    settings.ADMIN_DATABASE = DEFAULT_DB_ALIAS
    settings.ADMIN_ALLOW_EDITS = False
    settings.ADMIN_TIMEOUT_S = TIMEOUT_S


@pytest.fixture
def admin_user(db: None, django_user_model: Any) -> Any:
    """A superuser without a password, which would take long to hash."""
    return django_user_model.objects.create_superuser("admin")


@pytest.fixture(scope="module")
def new_database(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[NewDatabase]:
    """Make an empty database beside the test database, under an alias of its own."""

    @contextmanager
    def make(alias: str) -> Iterator[BaseDatabaseWrapper]:
        default = connections["default"]
        name = f"{default.settings_dict['NAME']}_{alias}"
        with default._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cursor.execute(f'CREATE DATABASE "{name}"')
        connections.databases[alias] = deepcopy(default.settings_dict) | {"NAME": name}
        try:
            yield connections[alias]
        finally:
            connections[alias].close()
            del connections[alias]
            del connections.databases[alias]
            with default._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}"')

    with django_db_blocker.unblock():
        yield make
