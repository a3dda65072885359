from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("dbops", "0007_add_turns"),
    ]

    operations = [
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
