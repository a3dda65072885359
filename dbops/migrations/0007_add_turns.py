from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dbops", "0006_add_history"),
    ]

    operations = [
        migrations.CreateModel(
            name="Turn",
            fields=[
                (
                    "token",
                    models.BigIntegerField(
                        help_text="grows with each turn",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("kind", models.TextField()),
                (
                    "actor",
                    models.TextField(help_text="user of the operating system"),
                ),
                ("host", models.TextField()),
                ("pid", models.IntegerField(help_text="of the session that works")),
                ("taken_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("plan", models.TextField(help_text="what it is to do, as JSON")),
                ("step", models.TextField(help_text="what it is at")),
                ("exit_code", models.IntegerField(null=True)),
                ("verdict", models.TextField(help_text="how it ended, as JSON")),
            ],
            options={
                "verbose_name": "turn",
                "db_table": "dbops_turn",
                "ordering": ("-token",),
            },
        ),
        migrations.CreateModel(
            name="Statement",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("app", models.TextField()),
                ("migration", models.TextField()),
                ("operation", models.IntegerField(help_text="from 1")),
                (
                    "number",
                    models.IntegerField(
                        help_text="from 1; 0 says that they are written down"
                    ),
                ),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                        ]
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("sql", models.TextField(help_text="without its values")),
            ],
            options={
                "verbose_name": "statement",
                "db_table": "dbops_statement",
                "ordering": ("began_at",),
                "indexes": [
                    models.Index(fields=["app", "migration"], name="dbops_statement_of")
                ],
            },
        ),
    ]
