from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0009_count_orders")]
    operations = [
        migrations.RunSQL(
            'CREATE INDEX "Order_by_note" ON "Shop_Order" (note)',
            migrations.RunSQL.noop,
        ),
    ]
