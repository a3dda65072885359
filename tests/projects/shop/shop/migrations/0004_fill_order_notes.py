from django.db import migrations


def fill(apps, schema_editor):
    apps.get_model("shop", "Order").objects.filter(note="").update(note="none")


def empty(apps, schema_editor):
    apps.get_model("shop", "Order").objects.filter(note="none").update(note="")


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_index_orders_by_total")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunPython(fill, empty),
        migrations.RunSQL(
            [("UPDATE \"Shop_Order\" SET note = %s WHERE note LIKE '%%x'", ["it's"])],
            migrations.RunSQL.noop,
        ),
    ]
