from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0011_drop_index_of_order_notes")]
    operations = [
        migrations.RunSQL(
            "COMMENT ON TABLE \"Shop_Order\" IS 'closed'",
            'BEGIN; COMMENT ON TABLE "Shop_Order" IS NULL; COMMIT;',
        ),
    ]
