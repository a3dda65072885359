"""What object stores say when they fail: for people, and without secrets."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from dbops.errors import DbopsError, Refused, ToolFailed

try:
    from obstore import exceptions
except ModuleNotFoundError:  # pragma: no cover
    exceptions = None  # type: ignore[assignment]

GIVE_CREDENTIALS = (
    "give credentials that may list, read, write and delete there, in the environment: "
    "AWS_*, GOOGLE_*, AZURE_*"
)

_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]+)")
_CAUSE = re.compile(r'\b(?:message|error): "([^"]+)"')
_URL = re.compile(r"https?://\S+")
_NO_BUCKET = re.compile(
    r"NoSuchBucket|ContainerNotFound|list request.* 404 ", re.DOTALL
)
_NO_RIGHTS = re.compile(
    r"status code: 40[13] |token request|/latest/api/token|169\.254\.169\.254"
)
"""The last three: without credentials, the machine is asked for those of its role."""


@contextmanager
def explain(place: str, what: str) -> Iterator[None]:
    """Turn the store's errors into dbops's.

    Raises:
        FileNotFoundError: there is no such object.
        AlreadyExistsError: there is one already; obstore's own.
        PreconditionError: it is another one than was asked for; obstore's own.
        Refused: there is no bucket, or it does not let us in.
        ToolFailed: everything else.
    """
    try:
        yield
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise
    except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
        # Not `from error`: that one has URLs, with their secrets, in it.
        raise _judge(place, what, error) from None


def build_no_bucket(place: str, said: str) -> Refused:
    """Return the error of a bucket or container that does not exist."""
    return Refused(
        f'there is no bucket for backup storage "{place}": {said}',
        hint='create it, or name another one with --storage or DBOPS["BACKUP_STORAGE"]',
    )


def tell(error: Exception) -> str:
    """Return what the store said in one line.

    >>> tell(ValueError("GET http://me:secret@host/a?sig=x in 1s - HTTP error: no"))
    'HTTP error: no'
    >>> tell(ValueError("GET http://host/a?sig=x in 1s - HTTP error: no"))
    'http://host: HTTP error: no'
    >>> tell(ValueError("<Code>Busy</Code><Message>Slow down.</Message>"))
    'Slow down (Busy)'
    """
    head, _, debug = str(error).partition("\n\nDebug source")
    code, message = _CODE.search(head), _MESSAGE.search(head)
    if code and message:
        return f"{message[1].strip().rstrip('.')} ({code[1]})"
    cause = _CAUSE.search(debug)
    if cause:
        said = cause[1]
    elif "kind: Timeout" in debug:
        said = "no answer in time"
    else:
        line = head.partition("\n")[0].rpartition(" - ")[2]
        said = _URL.sub("the server", line).strip(" :")
    return f"{_find_server(head)}{said}"


def _find_server(text: str) -> str:
    """Return scheme and host of the first URL; nothing where it may hold a password."""
    url = _URL.search(text)
    if url is None or "@" in url[0]:
        return ""
    return "/".join(url[0].partition("?")[0].split("/")[:3]) + ": "


def _judge(place: str, what: str, error: Exception) -> DbopsError | FileNotFoundError:
    text = str(error).partition("\n\nDebug source")[0]
    denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
    if _NO_BUCKET.search(text):
        return build_no_bucket(place, tell(error))
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object", place)
    if isinstance(error, denied) or _NO_RIGHTS.search(text):
        return Refused(
            f'not allowed to {what} backup storage "{place}": {tell(error)}',
            hint=GIVE_CREDENTIALS,
        )
    return ToolFailed(
        f'cannot {what} backup storage "{place}": {tell(error)}',
        hint="see that it can be reached (network, endpoint, region), then run the "
        "command again",
    )
