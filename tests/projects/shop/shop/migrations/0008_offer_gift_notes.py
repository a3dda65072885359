from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0007_remove_order_number")]
    operations = [
        migrations.AlterField(
            "order", "note", models.TextField(default="", choices=[("gift", "gift")])
        ),
    ]
