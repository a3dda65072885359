from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0006_forget_old_orders")]
    operations = [migrations.RemoveField("order", "number")]
