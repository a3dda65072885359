"""Build the chat backend's schema as its 14 Alembic revisions left it.

An existing database that matches is adopted (`manage.py dbops_baseline`), not migrated.
"""

import uuid

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import neuroagent.fields

CREATE_ENUMS = [
    "CREATE TYPE entity AS ENUM ('USER', 'AI_TOOL', 'TOOL', 'AI_MESSAGE')",
    (
        "CREATE TYPE task AS ENUM"
        " ('CHAT_COMPLETION', 'TOOL_SELECTION', 'CALL_WITHIN_TOOL')"
    ),
    "CREATE TYPE tokentype AS ENUM ('INPUT_NONCACHED', 'INPUT_CACHED', 'COMPLETION')",
    "CREATE TYPE reasoninglevels AS ENUM ('NONE', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH')",
]

DROP_ENUMS = [
    "DROP TYPE reasoninglevels",
    "DROP TYPE tokentype",
    "DROP TYPE task",
    "DROP TYPE entity",
]

ADD_FOREIGN_KEYS = [
    (
        "ALTER TABLE messages ADD CONSTRAINT messages_thread_id_fkey"
        " FOREIGN KEY (thread_id) REFERENCES threads (thread_id)"
    ),
    (
        "ALTER TABLE tool_calls ADD CONSTRAINT tool_calls_message_id_fkey"
        " FOREIGN KEY (message_id) REFERENCES messages (message_id)"
    ),
    (
        "ALTER TABLE tool_selection ADD CONSTRAINT tool_selection_message_id_fkey"
        " FOREIGN KEY (message_id) REFERENCES messages (message_id)"
    ),
    (
        "ALTER TABLE token_consumption ADD CONSTRAINT token_consumption_message_id_fkey"
        " FOREIGN KEY (message_id) REFERENCES messages (message_id)"
    ),
    (
        "ALTER TABLE complexity_estimation"
        " ADD CONSTRAINT complexity_estimation_message_id_fkey"
        " FOREIGN KEY (message_id) REFERENCES messages (message_id)"
    ),
]

DROP_FOREIGN_KEYS = [
    (
        "ALTER TABLE complexity_estimation"
        " DROP CONSTRAINT complexity_estimation_message_id_fkey"
    ),
    "ALTER TABLE token_consumption DROP CONSTRAINT token_consumption_message_id_fkey",
    "ALTER TABLE tool_selection DROP CONSTRAINT tool_selection_message_id_fkey",
    "ALTER TABLE tool_calls DROP CONSTRAINT tool_calls_message_id_fkey",
    "ALTER TABLE messages DROP CONSTRAINT messages_thread_id_fkey",
]

CREATE_FUNCTION = """\
CREATE FUNCTION update_messages_search_vector() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.entity IN ('USER', 'AI_MESSAGE') THEN
        NEW.search_vector := to_tsvector(
            'english', coalesce(NEW.content::jsonb ->> 'content', '')
        );
    ELSE
        NEW.search_vector := to_tsvector('english', '');
    END IF;
    RETURN NEW;
END
$$"""

CREATE_TRIGGER = """\
CREATE TRIGGER messages_search_vector_trigger
BEFORE INSERT OR UPDATE ON messages
FOR EACH ROW EXECUTE FUNCTION update_messages_search_vector()"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(CREATE_ENUMS, DROP_ENUMS),
        migrations.CreateModel(
            name="Thread",
            fields=[
                (
                    "thread_id",
                    models.UUIDField(
                        default=uuid.uuid4, primary_key=True, serialize=False
                    ),
                ),
                (
                    "vlab_id",
                    models.UUIDField(blank=True, null=True, verbose_name="virtual lab"),
                ),
                (
                    "project_id",
                    models.UUIDField(blank=True, null=True, verbose_name="project"),
                ),
                ("title", models.CharField(default="New chat")),
                (
                    "creation_date",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created"
                    ),
                ),
                (
                    "update_date",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="updated"
                    ),
                ),
                ("user_id", models.UUIDField(verbose_name="user")),
            ],
            options={
                "verbose_name": "thread",
                "verbose_name_plural": "threads",
                "db_table": "threads",
                "ordering": ("-update_date", "-thread_id"),
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "message_id",
                    models.UUIDField(
                        default=uuid.uuid4, primary_key=True, serialize=False
                    ),
                ),
                (
                    "creation_date",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="created"
                    ),
                ),
                (
                    "content",
                    models.CharField(
                        help_text='JSON, as in {"role": "user", "content": "..."}.'
                    ),
                ),
                (
                    "thread",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="neuroagent.thread",
                    ),
                ),
                (
                    "entity",
                    neuroagent.fields.EnumField(
                        choices=[
                            ("USER", "User"),
                            ("AI_TOOL", "Assistant asking for tools"),
                            ("TOOL", "Tool"),
                            ("AI_MESSAGE", "Assistant"),
                        ],
                        enum_type="entity",
                    ),
                ),
                (
                    "is_complete",
                    models.BooleanField(default=True, verbose_name="complete"),
                ),
                (
                    "search_vector",
                    django.contrib.postgres.search.SearchVectorField(
                        editable=False, null=True
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
                "db_table": "messages",
                "ordering": ("creation_date", "message_id"),
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["search_vector"], name="ix_messages_search_vector"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ToolCall",
            fields=[
                (
                    "tool_call_id",
                    neuroagent.fields.VarcharKeyField(
                        help_text="Given by the language model.",
                        primary_key=True,
                        serialize=False,
                        verbose_name="tool call",
                    ),
                ),
                ("name", models.CharField(verbose_name="tool")),
                (
                    "arguments",
                    models.CharField(help_text="JSON, as the language model wrote it."),
                ),
                (
                    "validated",
                    models.BooleanField(
                        blank=True,
                        help_text="Unknown when nobody had to accept the call.",
                        null=True,
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tool_calls",
                        to="neuroagent.message",
                    ),
                ),
            ],
            options={
                "verbose_name": "tool call",
                "verbose_name_plural": "tool calls",
                "db_table": "tool_calls",
                "ordering": ("tool_call_id",),
            },
        ),
        migrations.CreateModel(
            name="ToolSelection",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, primary_key=True, serialize=False
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tool_selections",
                        to="neuroagent.message",
                    ),
                ),
                ("tool_name", models.CharField(verbose_name="tool")),
            ],
            options={
                "verbose_name": "tool selection",
                "verbose_name_plural": "tool selections",
                "db_table": "tool_selection",
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="TokenConsumption",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, primary_key=True, serialize=False
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_consumption",
                        to="neuroagent.message",
                    ),
                ),
                (
                    "type",
                    neuroagent.fields.EnumField(
                        choices=[
                            ("INPUT_NONCACHED", "Input, not cached"),
                            ("INPUT_CACHED", "Input, cached"),
                            ("COMPLETION", "Completion"),
                        ],
                        enum_type="tokentype",
                    ),
                ),
                (
                    "task",
                    neuroagent.fields.EnumField(
                        choices=[
                            ("CHAT_COMPLETION", "Chat completion"),
                            ("TOOL_SELECTION", "Tool selection"),
                            ("CALL_WITHIN_TOOL", "Call within a tool"),
                        ],
                        enum_type="task",
                    ),
                ),
                (
                    "count",
                    models.IntegerField(
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="tokens",
                    ),
                ),
                ("model", models.CharField()),
            ],
            options={
                "verbose_name": "token consumption",
                "verbose_name_plural": "token consumption",
                "db_table": "token_consumption",
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="ComplexityEstimation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, primary_key=True, serialize=False
                    ),
                ),
                ("complexity", models.IntegerField(blank=True, null=True)),
                ("model", models.CharField()),
                (
                    "reasoning",
                    neuroagent.fields.EnumField(
                        blank=True,
                        choices=[
                            ("NONE", "None"),
                            ("MINIMAL", "Minimal"),
                            ("LOW", "Low"),
                            ("MEDIUM", "Medium"),
                            ("HIGH", "High"),
                        ],
                        enum_type="reasoninglevels",
                        null=True,
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="complexity_estimations",
                        to="neuroagent.message",
                    ),
                ),
            ],
            options={
                "verbose_name": "complexity estimation",
                "verbose_name_plural": "complexity estimations",
                "db_table": "complexity_estimation",
                "ordering": ("id",),
            },
        ),
        migrations.RunSQL(ADD_FOREIGN_KEYS, DROP_FOREIGN_KEYS),
        migrations.RunSQL(
            [CREATE_FUNCTION], ["DROP FUNCTION update_messages_search_vector()"]
        ),
        migrations.RunSQL(
            [CREATE_TRIGGER],
            ["DROP TRIGGER messages_search_vector_trigger ON messages"],
        ),
    ]
