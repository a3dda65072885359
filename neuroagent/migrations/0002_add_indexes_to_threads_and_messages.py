"""Index what conversations are found by: their thread, and how new they are."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neuroagent", "0001_initial")]

    operations = [
        AddIndexConcurrently(
            "message",
            models.Index(
                fields=["thread", "creation_date"],
                name="ix_messages_thread_id_created",
            ),
        ),
        AddIndexConcurrently(
            "message",
            models.Index(
                fields=["-creation_date", "-message_id"],
                name="ix_messages_newest_first",
            ),
        ),
        AddIndexConcurrently(
            "thread",
            models.Index(
                fields=["-update_date", "-thread_id"],
                name="ix_threads_newest_first",
            ),
        ),
    ]
