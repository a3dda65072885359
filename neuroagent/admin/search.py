"""Find messages by their words: the best of the newest, with the words marked."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchHeadline, SearchQuery
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Func, JSONField, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Left, Replace

from neuroagent.admin.display import LESS, START, STOP
from neuroagent.admin.queries import read_query
from neuroagent.models import Message

CANDIDATES = 1000
"""Messages that are ranked, the newest that match. To rank means to read all of them,
and a common word is in every second message."""

HEADLINE_CHARS = 20_000
"""Of a message, where its words are marked; the parser reads about 10 MB/s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What was found, the best first."""

    messages: tuple[UUID, ...] = ()
    threads: tuple[UUID, ...] = ()
    """The thread of each of the messages."""
    is_complete: bool = True
    """Whether that is all; older ones that match are left out otherwise."""


def rank_messages(messages: QuerySet[Message], words: str) -> Matches:
    """Return the best messages, out of the newest CANDIDATES that match.

    `messages` are those that match already, filtered by anything else as well.
    """
    return rank("rank_messages", messages, words)


def rank_threads(messages: QuerySet[Message], words: str) -> Matches:
    """Return the best message of each thread, out of the same as `rank_messages`."""
    return rank("rank_threads", messages, words)


def rank(name: str, messages: QuerySet[Message], words: str) -> Matches:
    """Return what one of the two queries finds."""
    newest = messages.order_by("-creation_date", "-message_id").values_list(
        "message_id", "thread_id", "creation_date", "search_vector"
    )[:CANDIDATES]
    try:
        query, parameters = newest.query.get_compiler(using=messages.db).as_sql()
    except EmptyResultSet:
        return Matches()
    with connections[messages.db].cursor() as cursor:
        cursor.execute(read_query(name).format(newest=query), (words, *parameters))
        rows = cursor.fetchall()
    if not rows:
        return Matches()
    found, threads, counts = zip(*rows, strict=True)
    return Matches(messages=found, threads=threads, is_complete=counts[0] < CANDIDATES)


def build_query(words: str) -> SearchQuery:
    """Return the words as `Message.objects.search` understands them."""
    return SearchQuery(words, config="english", search_type="websearch")


def mark_words(words: str) -> Any:
    """Return an expression for what was said around the words, with START and STOP.

    Those characters are taken out of the text before, so that what is marked in the
    end was marked by PostgreSQL.

    Source: https://www.postgresql.org/docs/current/textsearch-controls.html
    """
    said = KeyTextTransform("content", Cast("content", JSONField()))
    ours_alone = Func(
        Left(said, HEADLINE_CHARS),
        Value(START + STOP + LESS),
        Value(""),
        function="translate",
        output_field=TextField(),
    )
    # Between spaces: the parser takes an unknown character for a letter.
    text = Replace(ours_alone, Value("<"), Value(f" {LESS} "))
    return SearchHeadline(
        text,
        build_query(words),
        config="english",
        start_sel=START,
        stop_sel=STOP,
        max_words=30,
        min_words=12,
        max_fragments=2,
        fragment_delimiter=" … ",
    )


def fetch_headlines(alias: str, keys: list[UUID], words: str) -> dict[UUID, str]:
    """Return what each message says around the words."""
    rows = (
        Message.objects.using(alias)
        .filter(pk__in=keys, search_vector__isnull=False)
        .annotate(headline=mark_words(words))
        .values_list("message_id", "headline")
    )
    return {key: headline or "" for key, headline in rows}
