from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0002_add_order_note")]
    operations = [
        AddIndexConcurrently(
            "order", models.Index(fields=["total"], name="Order_by_total")
        ),
    ]
