from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dbops", "0004_add_locks_kind"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rehearsal",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "run",
                    models.UUIDField(help_text="the same for all of one run"),
                ),
                ("rehearsed_at", models.DateTimeField()),
                (
                    "actor",
                    models.TextField(help_text="user of the operating system"),
                ),
                ("host", models.TextField()),
                ("dbops_version", models.TextField()),
                (
                    "server_version",
                    models.TextField(help_text="of the scratch database"),
                ),
                (
                    "backup_id",
                    models.TextField(help_text="empty where no rows were copied"),
                ),
                ("app", models.TextField()),
                ("migration", models.TextField()),
                (
                    "digest",
                    models.TextField(help_text="of the migration as it was rehearsed"),
                ),
                ("round_trip", models.TextField()),
                ("duration_s", models.FloatField()),
                ("report", models.TextField(help_text="all that was seen, as JSON")),
            ],
            options={
                "verbose_name": "rehearsal",
                "db_table": "dbops_rehearsal",
                "ordering": ("-rehearsed_at",),
            },
        ),
    ]
