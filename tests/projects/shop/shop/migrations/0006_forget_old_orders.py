from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0005_rename_customer_to_buyer")]
    operations = [
        migrations.RunSQL('DELETE FROM "Shop_Order" WHERE number < 1000;'),
    ]
