"""Databases on the server that the settings name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbops.core.target import Target
from dbops.postgres.session import Connection
from tests.databases import connect, temporary_database


@pytest.fixture
def database() -> Iterator[Target]:
    """Make an empty database for one test."""
    with temporary_database() as target:
        yield target


@pytest.fixture
def session(database: Target) -> Iterator[Connection]:
    """Open an autocommit session in the test's database."""
    with connect(database) as connection:
        yield connection
