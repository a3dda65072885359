"""Encryption of a backup's files to one or more recipients, in the age format.

Source: https://age-encryption.org/v1
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbops.conf import Settings
from dbops.errors import Refused, UsageError

try:
    import pyrage  # type: ignore[import-untyped]
except ModuleNotFoundError:  # pragma: no cover
    pyrage = None

SUFFIX = ".age"
INSTALL = 'pip install "django-dbops[encryption]"'
SETTING = 'DBOPS["BACKUP_IDENTITY_FILE"]'
WRONG_KEY = "No matching keys found"
"""What age says when none of the identities is a recipient's."""
PROTECTED = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
"""How an identity file begins that `age -p` has encrypted."""


class Seal:
    """Encrypts to the recipients, and decrypts with an identity; neither by default."""

    def __init__(self, recipients: Sequence[str] = (), identity_file: str = "") -> None:
        if (recipients or identity_file) and pyrage is None:
            raise UsageError("encryption needs another package", hint=INSTALL)
        self.recipients = [
            _read_recipient(text.strip(), number)
            for number, text in enumerate(recipients, 1)
        ]
        self._identity_file = identity_file
        self._identities: list[Any] | None = None

    @property
    def encrypts(self) -> bool:
        """Tell whether what is written is encrypted."""
        return bool(self.recipients)

    @property
    def can_open(self) -> bool:
        """Tell whether there is an identity to decrypt with."""
        return bool(self._identity_file)

    def name(self, path: str) -> str:
        """Return the name of the file that is written."""
        return f"{path}{SUFFIX}" if self.encrypts else path

    def close(self, data: bytes) -> bytes:
        """Return what is written.

        Raises:
            Refused: there is an identity, and it could not open this.
        """
        if not self.encrypts:
            return data
        self.check()
        return self._encrypt(data)

    def check(self) -> None:
        """Find out now, not after hours, when what was written is read back.

        Raises:
            Refused: there is an identity, and it could not open what is written.
        """
        if self.encrypts and self.can_open and self._identities is None:
            self.open(f"this backup{SUFFIX}", self._encrypt(b""))

    def open(self, path: str, data: bytes) -> bytes:
        """Return what was given to `close`.

        Raises:
            Refused: there is no identity, or not the right one, or it was changed.
        """
        if not path.endswith(SUFFIX):
            return data
        if self._identities is None:
            self._identities = self._read_identities()
        try:
            return bytes(pyrage.decrypt(data, self._identities))
        except pyrage.DecryptError as error:
            if str(error) != WRONG_KEY:
                raise Refused(
                    f'"{path}" is damaged: it cannot be decrypted: {error}',
                    hint="restore another backup, or this one's copy from elsewhere",
                ) from error
            raise Refused(
                f'"{path}" is not encrypted to the key in "{self._identity_file}"',
                hint=f"name the file with the right key in {SETTING}",
            ) from error

    def _encrypt(self, data: bytes) -> bytes:
        return bytes(pyrage.encrypt(data, self.recipients))

    def _read_identities(self) -> list[Any]:
        if not self._identity_file:
            raise Refused(
                "the backup is encrypted, and there is no key to open it with",
                hint=f"name an age identity file in {SETTING}",
            )
        try:
            data = Path(self._identity_file).expanduser().read_bytes()
        except OSError as error:
            raise self._build_unreadable(str(error.strerror)) from error
        if data.startswith(PROTECTED):
            raise self._build_unreadable("it is protected by a passphrase")
        try:
            return _parse_identities(data)
        except (UnicodeDecodeError, pyrage.IdentityError) as error:
            raise self._build_unreadable(str(error)) from error

    def _build_unreadable(self, problem: str) -> Refused:
        return Refused(
            f'cannot read the identity file "{self._identity_file}": {problem}',
            hint="name a file that age-keygen wrote, or an SSH key, without a "
            f"passphrase, in {SETTING}",
        )


def build_seal(settings: Settings) -> Seal:
    """Return what the project's settings say of encryption."""
    return Seal(settings.backup_recipients, settings.backup_identity_file)


def _parse_identities(data: bytes) -> list[Any]:
    """Return the keys of an age identity file, or the one of an SSH key file."""
    lines = [each.strip() for each in data.decode().splitlines()]
    keys = [each for each in lines if each.startswith("AGE-")]
    if keys:
        return [pyrage.x25519.Identity.from_str(each) for each in keys]
    return [pyrage.ssh.Identity.from_buffer(data)]


def _read_recipient(text: str, number: int) -> Any:
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        # By its number: who mistakes the private key for it must not see it in a log.
        raise UsageError(
            f"recipient {number} of encrypted backups is no public key: {error}",
            hint='use what age-keygen prints (age1...), or an "ssh-ed25519" or '
            '"ssh-rsa" key, in DBOPS["BACKUP_RECIPIENTS"]',
        ) from error
