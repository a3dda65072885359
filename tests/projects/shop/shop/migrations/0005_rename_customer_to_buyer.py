from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0004_fill_order_notes")]
    operations = [migrations.RenameField("order", "customer", "buyer")]
