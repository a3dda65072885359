from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dbops", "0005_add_rehearsal"),
    ]

    operations = [
        migrations.AddField(
            model_name="step",
            name="blocked_s",
            field=models.FloatField(
                help_text="the longest that a session waited for it", null=True
            ),
        ),
        migrations.AddField(
            model_name="step",
            name="blocked_sessions",
            field=models.IntegerField(
                help_text="the most that waited for it at one moment; empty: nobody looked",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="Operations",
            fields=[],
            options={
                "verbose_name": "operations",
                "verbose_name_plural": "operations",
                "permissions": [
                    ("view_operations", "Can view the operations page"),
                    ("signal_sessions", "Can cancel queries and terminate sessions"),
                ],
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("dbops.deployment",),
        ),
    ]
