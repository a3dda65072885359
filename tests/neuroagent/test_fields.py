import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.db import DataError, connection, models
from django.db.models import Case, Value, When
from django.db.models.functions import Cast
from django.test.utils import isolate_apps

from neuroagent.fields import EnumField, VarcharKeyField
from neuroagent.models import Entity, Message, Task, TokenConsumption, TokenType
from tests.factories import MessageFactory, TokenConsumptionFactory


def test_enum_field_is_rebuilt_from_its_deconstruction() -> None:
    field = EnumField(enum_type="task", choices=Task.choices, null=True)
    _, path, args, kwargs = field.deconstruct()
    assert path == "neuroagent.fields.EnumField"
    assert list(args) == []
    assert kwargs == {"enum_type": "task", "choices": Task.choices, "null": True}
    assert EnumField(*args, **kwargs).deconstruct() == field.deconstruct()


def test_enum_field_needs_its_type_and_choices() -> None:
    with pytest.raises(TypeError, match="enum_type"):
        EnumField(choices=Task.choices)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="choices"):
        EnumField(enum_type="task")  # type: ignore[call-arg]


def test_enum_field_names_the_enum_as_column_type_and_cast() -> None:
    field = EnumField(enum_type="task", choices=Task.choices)
    assert field.db_type(connection) == "task"
    assert field.cast_db_type(connection) == "task"


def test_enum_field_offers_a_choice_in_forms() -> None:
    field = Message._meta.get_field("entity").formfield()
    assert isinstance(field, forms.TypedChoiceField)
    offered = [value for value in Entity.values if field.valid_value(value)]
    assert offered == Entity.values
    with pytest.raises(ValidationError, match="ROBOT is not one of the available"):
        field.clean("ROBOT")


def test_enum_field_refuses_an_unknown_choice_in_clean() -> None:
    with pytest.raises(ValidationError, match="'ROBOT' is not a valid choice"):
        Message._meta.get_field("entity").clean("ROBOT", None)


@pytest.mark.django_db
def test_the_database_refuses_an_unknown_choice() -> None:
    with pytest.raises(DataError, match='invalid input value for enum entity: "ROBOT"'):
        MessageFactory.create(entity="ROBOT", content="{}")


@pytest.mark.django_db
def test_enum_columns_can_be_inserted_filtered_and_updated() -> None:
    row = TokenConsumptionFactory.create(type=TokenType.INPUT_CACHED)
    rows = TokenConsumption.objects.all()
    assert rows.get(type=TokenType.INPUT_CACHED) == row
    assert rows.get(type__in=["INPUT_CACHED", "COMPLETION"]) == row
    assert rows.get(task__icontains="chat") == row
    assert rows.exclude(type="COMPLETION").get() == row
    assert rows.update(type=TokenType.COMPLETION) == 1
    row.refresh_from_db()
    assert row.type == TokenType.COMPLETION
    row.type = TokenType.INPUT_NONCACHED
    row.save()
    assert rows.values_list("type", flat=True).get() == "INPUT_NONCACHED"


@pytest.mark.django_db
def test_enum_columns_sort_as_the_enum_does() -> None:
    message = MessageFactory.create()
    for type_ in (TokenType.COMPLETION, TokenType.INPUT_NONCACHED):
        TokenConsumptionFactory.create(message=message, type=type_)
    assert list(
        TokenConsumption.objects.order_by("type").values_list("type", flat=True)
    ) == ["INPUT_NONCACHED", "COMPLETION"]


@pytest.mark.django_db
def test_enum_columns_can_be_written_in_bulk() -> None:
    message = MessageFactory.create()
    rows = TokenConsumption.objects.bulk_create(
        TokenConsumptionFactory.build(message=message, type=type_)
        for type_ in TokenType
    )
    for row in rows:
        row.task = Task.TOOL_SELECTION
        row.type = TokenType.COMPLETION
    assert TokenConsumption.objects.bulk_update(rows, ["task", "type"]) == 3
    assert set(TokenConsumption.objects.values_list("task", "type")) == {
        ("TOOL_SELECTION", "COMPLETION")
    }


@pytest.mark.django_db
def test_enum_columns_can_be_updated_from_a_cast_expression() -> None:
    row = TokenConsumptionFactory.create(count=7)
    chosen = Case(
        When(count__gt=5, then=Value(TokenType.INPUT_CACHED)),
        default=Value(TokenType.COMPLETION),
    )
    TokenConsumption.objects.update(
        type=Cast(chosen, TokenConsumption._meta.get_field("type"))
    )
    row.refresh_from_db()
    assert row.type == TokenType.INPUT_CACHED


@pytest.mark.django_db
@isolate_apps("neuroagent")
def test_a_text_column_can_become_an_enum_and_go_back() -> None:
    class Note(models.Model):
        task = models.CharField(choices=Task.choices)

        class Meta:
            app_label = "neuroagent"
            db_table = "notes"

        def __str__(self) -> str:
            return self.task

    text = Note._meta.get_field("task")
    enum = EnumField(enum_type="task", choices=Task.choices)
    enum.set_attributes_from_name("task")
    enum.model = Note
    with connection.schema_editor() as editor:
        editor.create_model(Note)
        Note._default_manager.create(task="CHAT_COMPLETION")
        editor.alter_field(Note, text, enum)
        editor.alter_field(Note, enum, text)
    assert Note._default_manager.get().task == "CHAT_COMPLETION"


def test_varchar_key_is_deconstructed_as_itself() -> None:
    assert VarcharKeyField().deconstruct()[1] == "neuroagent.fields.VarcharKeyField"


@pytest.mark.django_db
@isolate_apps("neuroagent")
def test_varchar_key_gets_no_index_for_patterns() -> None:
    class Note(models.Model):
        key = VarcharKeyField(primary_key=True)

        class Meta:
            app_label = "neuroagent"
            db_table = "notes"

        def __str__(self) -> str:
            return str(self.key)

    with connection.schema_editor() as editor:
        editor.create_model(Note)
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "notes")
    indexes = [name for name, each in constraints.items() if each["index"]]
    assert indexes == []
    assert constraints["notes_pkey"]["primary_key"]
