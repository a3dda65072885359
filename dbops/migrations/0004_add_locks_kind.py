from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dbops", "0003_add_restore_kind"),
    ]

    operations = [
        migrations.AlterField(
            model_name="deployment",
            name="kind",
            field=models.TextField(
                choices=[
                    ("baseline", "baseline"),
                    ("deploy", "deploy"),
                    ("rollback", "rollback"),
                    ("resolve", "resolve"),
                    ("restore", "restore"),
                    ("locks", "sessions cancelled or terminated"),
                ]
            ),
        ),
    ]
