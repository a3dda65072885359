"""Index what the admin site reads by: the message of a row, the owner of a thread."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neuroagent", "0002_add_indexes_to_threads_and_messages")]

    operations = [
        AddIndexConcurrently(
            "toolcall",
            models.Index(fields=["message"], name="ix_tool_calls_message"),
        ),
        AddIndexConcurrently(
            "toolcall",
            models.Index(fields=["name", "tool_call_id"], name="ix_tool_calls_name"),
        ),
        AddIndexConcurrently(
            "toolselection",
            models.Index(fields=["message"], name="ix_tool_selection_message"),
        ),
        AddIndexConcurrently(
            "tokenconsumption",
            models.Index(fields=["message"], name="ix_token_consumption_message"),
        ),
        AddIndexConcurrently(
            "tokenconsumption",
            models.Index(
                fields=["model", "message"], name="ix_token_consumption_model"
            ),
        ),
        AddIndexConcurrently(
            "complexityestimation",
            models.Index(fields=["message"], name="ix_complexity_message"),
        ),
        AddIndexConcurrently(
            "message",
            models.Index(
                fields=["-creation_date", "-message_id"],
                condition=models.Q(is_complete=False),
                name="ix_messages_incomplete",
            ),
        ),
        AddIndexConcurrently(
            "thread",
            models.Index(
                fields=["user_id", "-update_date", "-thread_id"],
                name="ix_threads_user_newest",
            ),
        ),
        AddIndexConcurrently(
            "thread",
            models.Index(
                fields=["project_id", "-update_date", "-thread_id"],
                name="ix_threads_project_newest",
            ),
        ),
        AddIndexConcurrently(
            "thread",
            models.Index(
                fields=["vlab_id", "-update_date", "-thread_id"],
                name="ix_threads_vlab_newest",
            ),
        ),
    ]
