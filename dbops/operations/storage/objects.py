"""Backups in an object store: S3, Google Cloud Storage, Azure and their like.

    <url>/<database>/<backup_id>/claim             while it is being written

Nothing can be renamed there: a backup begins to exist with its manifest. Claim and
manifest are put only where there is none yet (`If-None-Match`), so of two writers with
the same id one is refused; a store that does not know that condition cannot tell them
apart. There are no locks either: what a killed writer leaves looks like what a living
one has written so far, so it is listed as a draft, and only `remove` takes it away.
Parts of a file that was cut off are not even listed; let the bucket's lifecycle rules
remove them.

Credentials come from the environment (AWS_*, GOOGLE_*, AZURE_*) or from the machine's
role, never from the URL; `~/.aws` is not read.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from dbops.errors import DbopsError, Refused, UsageError
from dbops.operations.storage.base import BACKUP_ID, MANIFEST, quote_name
from dbops.operations.storage.object_errors import (
    GIVE_CREDENTIALS,
    build_no_bucket,
    explain,
    tell,
)

try:
    import obstore
    from obstore import exceptions
    from obstore.store import from_url
except ModuleNotFoundError:  # pragma: no cover
    obstore = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

ENDPOINTS = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
)
CLAIM = "claim"
LISTERS = 16
CONNECT_TIMEOUT = timedelta(seconds=10)
TIMEOUT = timedelta(seconds=120)
"""Of one request; 5 MiB are sent, and one file is read, with each."""
RETRY: RetryConfig = {
    "max_retries": 6,
    "retry_timeout": TIMEOUT,
    "backoff": {
        "init_backoff": timedelta(seconds=0.25),
        "max_backoff": timedelta(seconds=8),
        "base": 2,
    },
}
"""Some 10 seconds in all: long enough for a hiccup, short enough for a wrong name."""

_URL = re.compile(
    r"(?:(?:s3|gs|az|azure)://|abfss?://(?:[\w.-]+@)?)[\w.-]+(?:/[^?#]*)?",
    re.IGNORECASE,
)


class ObjectDraft:
    """Objects below a claim of ours, without a manifest."""

    def __init__(self, vault: ObjectVault, backup_id: str) -> None:
        self.vault, self.backup_id = vault, backup_id
        self.is_published = False

    def write(self, path: str, data: bytes) -> None:
        """Write one file of it, a new one."""
        self.vault.write(self.backup_id, path, data)

    def read(self, path: str) -> bytes:
        """Read back what was written."""
        return self.vault.read(self.backup_id, path)

    def publish(self, manifest: str) -> str:
        """Put the manifest, where nobody else has put one."""
        self.vault.create(self.backup_id, MANIFEST, manifest.encode())
        self.is_published = True
        return self.vault.locate(self.backup_id)


class ObjectVault:
    """The backups of one database, below an URL; nothing is asked of it yet.

    Raises:
        UsageError: the package `obstore` is not installed, or the URL means nothing.
        Refused: what the environment says of credentials is incomplete.
    """

    def __init__(self, url: str, database: str) -> None:
        scheme = url.partition(":")[0]
        if obstore is None:
            raise UsageError(
                f'backup storage "{scheme}://" needs another package',
                hint='pip install "django-dbops[storage]"',
            )
        if not _URL.fullmatch(url):
            raise UsageError(
                f'the URL of backup storage "{scheme}://..." may hold a bucket and a '
                "prefix, and no user, password, port or query",
                hint="use s3://bucket/prefix, gs://bucket/prefix, az://container/prefix"
                " or a directory; credentials come from the environment",
            )
        self.prefix = quote_name(database)
        self.place = f"{url.rstrip('/')}/{self.prefix}"
        try:
            self.store: ObjectStore = from_url(
                url.rstrip("/"),
                client_options=_build_client_options(),
                retry_config=RETRY,
            )
        except (exceptions.BaseError, ValueError) as error:
            raise Refused(
                f'backup storage "{self.place}" cannot be used: {tell(error)}',
                hint=GIVE_CREDENTIALS,
            ) from None

    def check(self) -> None:
        """Find out whether it can be reached; only writing tells more."""
        self._list()

    def prepare(self) -> None:
        """Find out whether it may be written to; there is nothing to tidy up."""
        probe = f"{self.prefix}/.probe-{secrets.token_hex(4)}"
        self._put(probe, b"")
        self._delete([probe])

    def list_ids(self) -> list[str]:
        """Return the ids of the published backups, newest first."""
        return sorted((each for each, known in self._list() if known), reverse=True)

    def list_drafts(self) -> list[str]:
        """Return the ids of those that are being written, or were cut off."""
        return sorted(each for each, known in self._list() if not known)

    def locate(self, backup_id: str) -> str:
        """Return where a backup is, for people."""
        return f"{self.place}/{backup_id}"

    @contextmanager
    def open_draft(self, backup_id: str) -> Iterator[ObjectDraft]:
        """Begin a backup; what was not published is gone at the end of the block.

        Raises:
            Refused: somebody else writes it, or has written it.
        """
        self._claim(backup_id)
        draft = ObjectDraft(self, backup_id)
        try:
            yield draft
        finally:
            with suppress(DbopsError):
                if draft.is_published:
                    self._delete([self._build_key(backup_id, CLAIM)])
                else:
                    self.remove(backup_id)

    def read(self, backup_id: str, path: str) -> bytes:
        """Read one file of a backup; FileNotFoundError where there is none."""
        with self._explain("read"):
            response = obstore.get(self.store, self._build_key(backup_id, path))
            return bytes(response.bytes())

    def write(self, backup_id: str, path: str, data: bytes) -> None:
        """Write one file of a backup."""
        self._put(self._build_key(backup_id, path), data)

    def create(self, backup_id: str, path: str, data: bytes) -> None:
        """Write one file of a backup where there is none yet.

        Raises:
            Refused: there is one, with something else in it.
        """
        try:
            self._put(self._build_key(backup_id, path), data, is_new=True)
        except exceptions.AlreadyExistsError:
            # It may be ours: obstore asks again when an answer got lost.
            with suppress(FileNotFoundError):
                if self.read(backup_id, path) == data:
                    return
            raise self._build_taken(backup_id) from None

    def replace_manifest(
        self, backup_id: str, manifest: str, *, known: bytes | None = None
    ) -> bool:
        """Write another manifest, whole or not at all; False if it is not `known`."""
        key, data = self._build_key(backup_id, MANIFEST), manifest.encode()
        if known is None:
            self._put(key, data)
            return True
        with self._explain("read"):
            response = obstore.get(self.store, key)
            tag = response.meta["e_tag"]
            if bytes(response.bytes()) != known:
                return False
        try:
            with self._explain("write to"):
                obstore.put(self.store, key, data, mode={"e_tag": tag})
        except exceptions.PreconditionError:
            return False
        return True

    def remove(self, backup_id: str) -> None:
        """Remove a backup, its manifest first and its claim last."""
        claim, manifest = (
            self._build_key(backup_id, each) for each in (CLAIM, MANIFEST)
        )
        self._delete([manifest])
        with self._explain("read"):
            batches = obstore.list(self.store, f"{self.prefix}/{backup_id}/")
            keys = [each["path"] for batch in batches for each in batch]
        self._delete([each for each in keys if each != claim])
        self._delete([claim])

    def _claim(self, backup_id: str) -> None:
        """Become the only writer of an id, for as long as the claim is there."""
        self.create(backup_id, CLAIM, secrets.token_bytes(16))
        if self._is_published(backup_id):
            self._delete([self._build_key(backup_id, CLAIM)])
            raise self._build_taken(backup_id)

    def _put(self, key: str, data: bytes, *, is_new: bool = False) -> None:
        try:
            with self._explain("write to"):
                obstore.put(
                    self.store, key, data, mode="create" if is_new else "overwrite"
                )
        except FileNotFoundError:
            raise build_no_bucket(self.place, "nothing can be put there") from None

    def _delete(self, keys: list[str]) -> None:
        # Azure says so when there was none; the others do not.
        with suppress(FileNotFoundError), self._explain("delete from"):
            if keys:
                obstore.delete(self.store, keys)

    def _list(self) -> list[tuple[str, bool]]:
        """Return each id, and whether it is published."""
        with self._explain("read"):
            found = obstore.list_with_delimiter(self.store, f"{self.prefix}/")
        names = [each.rpartition("/")[2] for each in found["common_prefixes"]]
        ids = [each for each in names if BACKUP_ID.fullmatch(each)]
        with ThreadPoolExecutor(max_workers=LISTERS) as executor:
            return list(zip(ids, executor.map(self._is_published, ids), strict=True))

    def _is_published(self, backup_id: str) -> bool:
        try:
            with self._explain("read"):
                obstore.head(self.store, self._build_key(backup_id, MANIFEST))
        except FileNotFoundError:
            return False
        return True

    def _build_key(self, backup_id: str, path: str) -> str:
        return f"{self.prefix}/{backup_id}/{path}"

    def _explain(self, what: str) -> AbstractContextManager[None]:
        return explain(self.place, what)

    def _build_taken(self, backup_id: str) -> Refused:
        return Refused(
            f'backup "{backup_id}" exists already in "{self.place}", or is being '
            "written there",
            hint="run the command again",
        )


def _build_client_options() -> ClientConfig:
    """Return how to talk to the server; in plain text only where it was named so."""
    options: ClientConfig = {"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
    if any(os.environ.get(each, "").startswith("http://") for each in ENDPOINTS):
        options["allow_http"] = True
    return options
