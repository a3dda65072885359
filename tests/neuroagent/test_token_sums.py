"""Sums of tokens, in a database of their own: a transaction cannot undo new types."""

import io
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from neuroagent.models import (
    Entity,
    Message,
    SummedDay,
    Task,
    Thread,
    TokenConsumption,
)
from tests.neuroagent.conftest import NewDatabase

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def spend(alias: str, moment: datetime, kind: str) -> None:
    thread = Thread.objects.using(alias).create(user_id=uuid.uuid4())
    message = Message.objects.using(alias).create(
        thread=thread, entity=Entity.USER, content="{}", creation_date=moment
    )
    TokenConsumption.objects.using(alias).create(
        message=message, type=kind, task=Task.TOOL_SELECTION, count=1, model="m"
    )


def test_tokens_of_an_unknown_type_are_not_left_out(new_database: NewDatabase) -> None:
    with new_database("types") as connection:
        call_command("migrate", "neuroagent", database="types", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TYPE tokentype ADD VALUE 'IMAGE'")
        for number in range(2):
            spend("types", NOON + timedelta(days=number), "IMAGE")
        with pytest.raises(CommandError, match="of a type that is not in") as error:
            call_command("neuroagent_tokens", database="types")
        assert error.value.returncode == 4
        assert not SummedDay.objects.using("types").exists()

        TokenConsumption.objects.using("types").update(type="COMPLETION")
        out = io.StringIO()
        call_command("neuroagent_tokens", database="types", stdout=out)
        assert "1 sums, 1 changed" in out.getvalue()
