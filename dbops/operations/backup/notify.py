"""Tell people when backups fail, and when they work again.

By the URLs of `DBOPS["NOTIFY"]`, through apprise; `mailto:` is Django's mail to ADMINS.
"""

from __future__ import annotations

import hashlib
import json
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from django.conf import settings as django_settings
from django.core.mail import mail_admins

from dbops.errors import DbopsError, Interrupted
from dbops.operations.context import Context
from dbops.postgres.session import tell_error

MAIL = "mailto:"
INSTALL = 'pip install "django-dbops[notifications]"'

Warn = Callable[[str], object]
"""Takes a line for the person at the terminal, or for cron's mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent."""

    title: str
    body: str
    is_good: bool


@contextmanager
def tell_failure(context: Context, what: str, *, warn: Warn) -> Iterator[None]:
    """Tell when the block raises anything but that a person interrupted it."""
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        hint = error.hint if isinstance(error, DbopsError) else None
        lines = [tell_error(error), *([f"Next: {hint}"] if hint else [])]
        tell_outcome(context, what, "\n".join(lines), warn=warn)
        raise


def tell_outcome(
    context: Context, what: str, problem: str | None, *, warn: Warn
) -> None:
    """Send a problem; without one, send that only when there was one the last time.

    Never raises: what could not be sent or remembered is told to `warn`.
    """
    if not context.settings.notify:
        return
    memory = _find_memory(context, what)
    had_problem = memory.exists()
    if problem is None and not had_problem:
        return
    try:
        _remember(memory, problem)
    except OSError as error:
        warn(f'cannot remember the outcome in "{memory}": {error.strerror}')
    message = _build_message(context, what, problem)
    for number, url in enumerate(context.settings.notify, 1):
        failure = _send(url, message)
        if failure:
            # Never the URL itself, which has tokens and passwords in it.
            scheme, colon, _ = url.partition(":")
            kind = f" ({scheme}:)" if colon else ""
            warn(f"notification {number}{kind} was not sent: {failure}")


def _find_memory(context: Context, what: str) -> Path:
    """Return the file that is there as long as the last outcome was a problem."""
    known = context.connection.settings_dict
    place = json.dumps([str(known[key]) for key in ("HOST", "PORT", "NAME")])
    digest = hashlib.sha256(place.encode()).hexdigest()[:12]
    name = f"failed {what} {context.alias} {digest}"
    name = f"{quote(name, safe=' ').replace(' ', '-')}.json"
    return context.settings.cache_directory / name


def _remember(memory: Path, problem: str | None) -> None:
    if problem is None:
        memory.unlink(missing_ok=True)
        return
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(
        json.dumps({"failed_at": datetime.now(UTC).isoformat()}), encoding="utf-8"
    )


def _build_message(context: Context, what: str, problem: str | None) -> Message:
    known = context.connection.settings_dict
    subject = f'{what} of database "{known["NAME"]}" on {socket.gethostname()}'
    if problem is None:
        title = body = f"{subject} works again"
    else:
        title, body = f"{subject} failed", problem
        if password := known.get("PASSWORD"):
            body = body.replace(str(password), "********")
    return Message(title=f"dbops: {title}", body=body, is_good=problem is None)


def _send(url: str, message: Message) -> str | None:
    """Send it; return why it could not be sent."""
    try:
        return _mail(message) if url == MAIL else _post(url, message)
    except Exception as error:  # noqa: BLE001  Libraries of others, on a network.
        # What apprise says may have the URL in it.
        said = f": {error}" if url == MAIL else ""
        return f"{type(error).__name__}{said}"


def _mail(message: Message) -> str | None:
    if not django_settings.ADMINS:
        return "ADMINS is empty"
    mail_admins(message.title, message.body)
    return None


def _post(url: str, message: Message) -> str | None:
    try:
        # With all its plugins too slow for the runs that tell nobody.
        import apprise
    except ModuleNotFoundError:
        return f"it needs another package: {INSTALL}"
    kind = apprise.NotifyType.SUCCESS if message.is_good else apprise.NotifyType.FAILURE
    with warnings.catch_warnings():
        # Its plugins import modules that Python is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        sender = apprise.Apprise()
        if not sender.add(url):
            return "apprise knows no such URL"
        sent = sender.notify(title=message.title, body=message.body, notify_type=kind)
    return None if sent else "the other side did not take it"
