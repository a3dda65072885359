from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL('CREATE SCHEMA "Ledger"', 'DROP SCHEMA "Ledger"'),
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("code", models.CharField(max_length=20, unique=True)),
                ("amount", models.BigIntegerField()),
            ],
            options={"db_table": '"Ledger"."entry"'},
        ),
    ]
