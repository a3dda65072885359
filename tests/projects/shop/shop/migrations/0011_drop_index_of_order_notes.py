from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0010_index_order_notes")]
    operations = [
        migrations.RunSQL(
            'DROP INDEX CONCURRENTLY "Order_by_note"',
            'CREATE INDEX CONCURRENTLY "Other_name" ON "Shop_Order" (note)',
        ),
    ]
