"""The chat backend's tables: threads, their messages, and what each message cost.

The foreign keys are made by migration 0001 rather than by Django (`db_constraint`),
because Django would defer them, name them by a hash, and index each column.
"""

import uuid
from collections.abc import Collection, Iterable
from typing import Any, Self, TypeVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import (
    SearchQuery,
    SearchRank,
    SearchVectorField,
)
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from neuroagent.fields import EnumField, VarcharKeyField
from neuroagent.validators import validate_jsonb


class Entity(models.TextChoices):
    """Who speaks in a message."""

    USER = "USER", _("User")
    AI_TOOL = "AI_TOOL", _("Assistant asking for tools")
    TOOL = "TOOL", _("Tool")
    AI_MESSAGE = "AI_MESSAGE", _("Assistant")


class Task(models.TextChoices):
    """What tokens were spent on."""

    CHAT_COMPLETION = "CHAT_COMPLETION", _("Chat completion")
    TOOL_SELECTION = "TOOL_SELECTION", _("Tool selection")
    CALL_WITHIN_TOOL = "CALL_WITHIN_TOOL", _("Call within a tool")


class TokenType(models.TextChoices):
    """What kind of tokens, as the provider bills them."""

    INPUT_NONCACHED = "INPUT_NONCACHED", _("Input, not cached")
    INPUT_CACHED = "INPUT_CACHED", _("Input, cached")
    COMPLETION = "COMPLETION", _("Completion")


class ReasoningLevel(models.TextChoices):
    """How hard a model was told to think."""

    NONE = "NONE", _("None")
    MINIMAL = "MINIMAL", _("Minimal")
    LOW = "LOW", _("Low")
    MEDIUM = "MEDIUM", _("Medium")
    HIGH = "HIGH", _("High")


class CheckedModel(models.Model):
    """A model whose JSON text is checked on every way into the database but `update`.

    Raises: ValidationError, from `save`, `bulk_create` and `bulk_update` as well.
    """

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.check_json(kwargs.get("update_fields"))
        super().save(*args, **kwargs)

    def clean(self) -> None:
        super().clean()
        self.check_json()

    def check_json(self, fields: Collection[str] | None = None) -> None:
        """Raise a ValidationError for JSON text that is not.

        `fields` are the ones about to be written, None for all.
        """
        raise NotImplementedError

    def check_json_field(self, name: str) -> None:
        """Raise a ValidationError that names the field."""
        if name in self.get_deferred_fields():
            return
        value = getattr(self, name)
        if value is None or hasattr(value, "resolve_expression"):
            return
        try:
            validate_jsonb(str(value))
        except ValidationError as error:
            raise ValidationError({name: error}) from error


M = TypeVar("M", bound=CheckedModel)


class CheckedQuerySet(models.QuerySet[M]):
    """Rows of a CheckedModel."""

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        rows = list(objs)
        for row in rows:
            row.check_json()
        return super().bulk_create(rows, *args, **kwargs)

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> int:
        rows, names = list(objs), list(fields)
        for row in rows:
            row.check_json(names)
        return super().bulk_update(rows, names, *args, **kwargs)


class ThreadQuerySet(models.QuerySet["Thread"]):
    """Conversations."""

    def search(self, words: str) -> Self:
        """Keep the threads with a message that `Message.objects.search` finds."""
        found = Message.objects.using(self.db).search(words).order_by()
        return self.filter(thread_id__in=found.values("thread_id"))


class Thread(models.Model):
    """A conversation of one user, possibly within a virtual lab and a project."""

    thread_id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    vlab_id = models.UUIDField(_("virtual lab"), null=True, blank=True)
    project_id = models.UUIDField(_("project"), null=True, blank=True)
    title = models.CharField(default="New chat")
    creation_date = models.DateTimeField(_("created"), default=timezone.now)
    update_date = models.DateTimeField(_("updated"), default=timezone.now)
    user_id = models.UUIDField(_("user"))

    objects = ThreadQuerySet.as_manager()

    class Meta:
        db_table = "threads"
        ordering = ("-update_date", "-thread_id")
        verbose_name = _("thread")
        verbose_name_plural = _("threads")
        indexes = (
            models.Index(
                fields=("-update_date", "-thread_id"), name="ix_threads_newest_first"
            ),
            models.Index(
                fields=("user_id", "-update_date", "-thread_id"),
                name="ix_threads_user_newest",
            ),
            models.Index(
                fields=("project_id", "-update_date", "-thread_id"),
                name="ix_threads_project_newest",
            ),
            models.Index(
                fields=("vlab_id", "-update_date", "-thread_id"),
                name="ix_threads_vlab_newest",
            ),
        )

    def __str__(self) -> str:
        return self.title


class MessageQuerySet(CheckedQuerySet["Message"]):
    """Messages of any conversation."""

    def search(self, words: str, *, ranked: bool = False) -> Self:
        """Keep the messages that contain `words`, in English and in any form.

        `words` is what people type into a search engine: quotes keep words together,
        `or` and `-` mean what they say. Only what users and the assistant said is
        searched, never the output of tools. Stop words alone find nothing.

        `ranked` puts the best first, which reads every match before the first comes.

        Source: https://www.postgresql.org/docs/current/textsearch-controls.html
        """
        query = SearchQuery(words, config="english", search_type="websearch")
        found = self.filter(search_vector=query)
        if not ranked:
            return found
        return found.annotate(
            rank=SearchRank(models.F("search_vector"), query)
        ).order_by("-rank", "-creation_date", "-message_id")


class Message(CheckedModel):
    """What was said in a thread, as JSON text sent to or received from a model.

    `search_vector` is written by a trigger, whatever Django sends. The same trigger
    reads the content of USER and AI_MESSAGE as jsonb, on every update of the row, and
    fails if it is not.
    """

    JSON_ENTITIES = frozenset({Entity.USER, Entity.AI_MESSAGE})

    message_id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    creation_date = models.DateTimeField(_("created"), default=timezone.now)
    content = models.CharField(
        help_text=_('JSON, as in {"role": "user", "content": "..."}.')
    )
    thread = models.ForeignKey(
        Thread,
        on_delete=models.CASCADE,
        related_name="messages",
        db_index=False,
        db_constraint=False,
    )
    entity = EnumField(enum_type="entity", choices=Entity.choices)
    is_complete = models.BooleanField(_("complete"), default=True)
    search_vector = SearchVectorField(null=True, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        db_table = "messages"
        ordering = ("creation_date", "message_id")
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = (
            GinIndex(fields=("search_vector",), name="ix_messages_search_vector"),
            models.Index(
                fields=("thread", "creation_date"), name="ix_messages_thread_id_created"
            ),
            models.Index(
                fields=("-creation_date", "-message_id"),
                name="ix_messages_newest_first",
            ),
            models.Index(
                fields=("-creation_date", "-message_id"),
                condition=models.Q(is_complete=False),
                name="ix_messages_incomplete",
            ),
        )

    def __str__(self) -> str:
        return f"{self.entity} at {self.creation_date:%Y-%m-%d %H:%M:%S}"

    def check_json(self, fields: Collection[str] | None = None) -> None:  # noqa: ARG002
        if self.entity in self.JSON_ENTITIES:
            self.check_json_field("content")


class ToolCall(CheckedModel):
    """A tool that an AI_TOOL message asked for."""

    tool_call_id = VarcharKeyField(
        _("tool call"), primary_key=True, help_text=_("Given by the language model.")
    )
    name = models.CharField(_("tool"))
    arguments = models.CharField(help_text=_("JSON, as the language model wrote it."))
    validated = models.BooleanField(
        null=True,
        blank=True,
        help_text=_("Unknown when nobody had to accept the call."),
    )
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        related_name="tool_calls",
        db_index=False,
        db_constraint=False,
    )

    objects = CheckedQuerySet.as_manager()

    class Meta:
        db_table = "tool_calls"
        ordering = ("tool_call_id",)
        verbose_name = _("tool call")
        verbose_name_plural = _("tool calls")
        indexes = (
            models.Index(fields=("message",), name="ix_tool_calls_message"),
            models.Index(fields=("name", "tool_call_id"), name="ix_tool_calls_name"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.tool_call_id})"

    def check_json(self, fields: Collection[str] | None = None) -> None:
        if fields is None or "arguments" in fields:
            self.check_json_field("arguments")


class ToolSelection(models.Model):
    """A tool that was offered for a query."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        related_name="tool_selections",
        db_index=False,
        db_constraint=False,
    )
    tool_name = models.CharField(_("tool"))

    class Meta:
        db_table = "tool_selection"
        ordering = ("id",)
        verbose_name = _("tool selection")
        verbose_name_plural = _("tool selections")
        indexes = (models.Index(fields=("message",), name="ix_tool_selection_message"),)

    def __str__(self) -> str:
        return self.tool_name


class TokenConsumption(models.Model):
    """Tokens of one type that one task spent on a message. Billing reads this."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        related_name="token_consumption",
        db_index=False,
        db_constraint=False,
    )
    type = EnumField(enum_type="tokentype", choices=TokenType.choices)
    task = EnumField(enum_type="task", choices=Task.choices)
    count = models.IntegerField(_("tokens"), validators=(MinValueValidator(0),))
    model = models.CharField()

    class Meta:
        db_table = "token_consumption"
        ordering = ("id",)
        verbose_name = _("token consumption")
        verbose_name_plural = _("token consumption")
        indexes = (
            models.Index(fields=("message",), name="ix_token_consumption_message"),
            models.Index(
                fields=("model", "message"), name="ix_token_consumption_model"
            ),
        )

    def __str__(self) -> str:
        return f"{self.count} {self.type} tokens of {self.model}"


class ComplexityEstimation(models.Model):
    """Which model and how much reasoning a query was thought to need."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    complexity = models.IntegerField(null=True, blank=True)
    model = models.CharField()
    reasoning = EnumField(
        enum_type="reasoninglevels",
        choices=ReasoningLevel.choices,
        null=True,
        blank=True,
    )
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        related_name="complexity_estimations",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        db_table = "complexity_estimation"
        ordering = ("id",)
        verbose_name = _("complexity estimation")
        verbose_name_plural = _("complexity estimations")
        indexes = (models.Index(fields=("message",), name="ix_complexity_message"),)

    def __str__(self) -> str:
        return f"{self.complexity} ({self.model}, {self.reasoning})"


class TokenSum(models.Model):
    """Tokens of a quarter of an hour, as they were when its day was summed up.

    By quarters, since a day begins in every time zone of today at one of them. Written
    by `neuroagent_tokens` alone; there are rows for the days of `SummedDay`, and no
    others.
    """

    pk = models.CompositePrimaryKey("quarter", "user_id", "model", "task")
    quarter = models.DateTimeField(help_text=_("When it begins."))
    user_id = models.UUIDField(_("user"))
    model = models.CharField()
    task = EnumField(enum_type="task", choices=Task.choices)
    input_noncached = models.BigIntegerField()
    input_cached = models.BigIntegerField()
    completion = models.BigIntegerField()

    class Meta:
        db_table = "token_sums"
        default_permissions = ()
        verbose_name = _("sum of tokens")
        verbose_name_plural = _("sums of tokens")

    def __str__(self) -> str:
        return f"{self.model} at {self.quarter:%Y-%m-%d %H:%M}"


class SummedDay(models.Model):
    """A day (of UTC) whose tokens are in `TokenSum`, and of when these are."""

    day = models.DateField(primary_key=True)
    summed_at = models.DateTimeField(
        help_text=_("All that was committed before is in the sums.")
    )

    class Meta:
        db_table = "token_days"
        default_permissions = ()
        ordering = ("day",)
        verbose_name = _("summed day")
        verbose_name_plural = _("summed days")

    def __str__(self) -> str:
        return str(self.day)
