from django.db import migrations

CREATE = """
-- How many there are.
CREATE FUNCTION count_orders() RETURNS bigint LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT count(*) FROM "Shop_Order";
END;
COMMENT ON FUNCTION count_orders() IS 'no more than 100% of them; -- promised';
"""


class Migration(migrations.Migration):
    dependencies = [("shop", "0008_offer_gift_notes")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, "DROP FUNCTION count_orders()"),
                migrations.RunPython(
                    lambda apps, schema_editor: None, migrations.RunPython.noop
                ),
            ],
        ),
    ]
