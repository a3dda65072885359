from django.db import migrations


def add_owner(apps, schema_editor):
    alias = schema_editor.connection.alias
    user, item = apps.get_model("accounts", "User"), apps.get_model("stock", "Item")
    owner = user.objects.using(alias).create(username="first")
    item.objects.using(alias).create(name="chair", owner=owner)


class Migration(migrations.Migration):
    dependencies = [("stock", "0001_initial"), ("metrics", "0001_initial")]
    operations = [
        migrations.RunPython(add_owner, migrations.RunPython.noop),
        migrations.RunSQL(
            "CREATE VIEW owned AS SELECT i.name, u.username FROM stock_item AS i"
            " JOIN accounts_user AS u ON u.id = i.owner_id"
        ),
        migrations.RunSQL(
            "CREATE VIEW high AS SELECT value FROM metrics_sample WHERE value > 5",
            hints={"where": "metrics"},
        ),
    ]
