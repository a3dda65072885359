"""DATABASE_URL in the dialects that people have."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from neuroagent.database import read_database_url, read_inspection_url


@pytest.mark.parametrize(
    "url",
    [
        "postgres://app:pw@db1:5433/chat",
        "postgresql://app:pw@db1:5433/chat",
        "postgresql+asyncpg://app:pw@db1:5433/chat",
        "postgresql://app:pw@db1:5433/chat?schema=public&connection_limit=5",
    ],
)
def test_reads_what_prisma_and_sqlalchemy_write(url: str) -> None:
    settings = read_database_url(url)

    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert (settings["HOST"], settings["PORT"]) == ("db1", 5433)
    assert (settings["NAME"], settings["USER"]) == ("chat", "app")
    assert "schema" not in settings.get("OPTIONS", {})


def test_another_schema_becomes_the_search_path() -> None:
    settings = read_database_url("postgresql://app@db1/chat?schema=chat")

    assert settings["OPTIONS"] == {"options": "-c search_path=chat"}


@pytest.mark.parametrize(
    "url", ["postgres:////run/postgresql/chat", "postgres://@%2Frun%2Fpostgresql/chat"]
)
def test_reads_a_socket_s_directory(url: str) -> None:
    settings = read_database_url(url)

    assert (settings["HOST"], settings["NAME"]) == ("/run/postgresql", "chat")


def test_keeps_what_libpq_knows() -> None:
    settings = read_database_url("postgres://app@db1/chat?sslmode=require")

    assert settings["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:secret@h/d", "postgres://u:secret@h:x/d"]
)
def test_refuses_the_rest_and_does_not_repeat_it(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as caught:
        read_database_url(url)

    assert "secret" not in str(caught.value)


def test_a_database_to_look_at_is_read_only_and_impatient() -> None:
    settings = read_inspection_url("postgres://app@db2/chat?schema=chat", timeout_s=2.5)

    assert settings["HOST"] == "db2"
    assert settings["OPTIONS"]["options"] == (
        "-c search_path=chat -c default_transaction_read_only=on"
        " -c statement_timeout=2500"
    )
    assert settings["TEST"] == {"MIRROR": "default"}


def test_names_the_variable_that_is_wrong() -> None:
    with pytest.raises(ImproperlyConfigured, match="ADMIN_DATABASE_URL"):
        read_inspection_url("nonsense", timeout_s=5)
