from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX samples ON metrics_sample (value) WHERE value IN (1, 2)"
        ),
    ]
