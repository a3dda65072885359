"""Tables for the tokens of days that are over: what the overview reads them from."""

from django.db import migrations, models

import neuroagent.fields


class Migration(migrations.Migration):
    dependencies = [("neuroagent", "0003_add_indexes_for_inspection")]

    operations = [
        migrations.CreateModel(
            name="SummedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                (
                    "summed_at",
                    models.DateTimeField(
                        help_text="All that was committed before is in the sums."
                    ),
                ),
            ],
            options={
                "verbose_name": "summed day",
                "verbose_name_plural": "summed days",
                "db_table": "token_days",
                "ordering": ("day",),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="TokenSum",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "quarter",
                        "user_id",
                        "model",
                        "task",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("quarter", models.DateTimeField(help_text="When it begins.")),
                ("user_id", models.UUIDField(verbose_name="user")),
                ("model", models.CharField()),
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
                ("input_noncached", models.BigIntegerField()),
                ("input_cached", models.BigIntegerField()),
                ("completion", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "sum of tokens",
                "verbose_name_plural": "sums of tokens",
                "db_table": "token_sums",
                "default_permissions": (),
            },
        ),
    ]
