"""Encrypted backups: no row in plain text, and a wrong key is found and named."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest

from dbops.core.target import Target
from dbops.errors import DbopsError, Refused, ToolFailed, UsageError
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.report import BackupReport, Verified
from dbops.operations.backup.sealing import SUFFIX, Seal
from dbops.operations.restore.restore import RestoreReport, restore_backup
from tests.operations.conftest import execute, fetch_hashes

NEEDLE = "a row that nobody else may read"
PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Key:
    """Both halves of a key: the public text, and the file of the private one."""

    recipient: str
    file: Path

    @property
    def identity(self) -> str:
        return str(self.file)


@pytest.fixture
def make_key(tmp_path: Path) -> Callable[[str], Key]:
    def make(name: str) -> Key:
        file = tmp_path / f"{name}.key"
        identity = pyrage.x25519.Identity.generate()
        public = str(identity.to_public())
        file.write_text(f"# created: today\n# public key: {public}\n{identity}\n")
        return Key(public, file)

    return make


@pytest.fixture
def key(make_key: Callable[[str], Key]) -> Key:
    return make_key("ours")


@pytest.fixture
def make_ssh_key(tmp_path: Path) -> Callable[..., Key]:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen: apt-get install openssh-client")

    def make(kind: str, passphrase: str = "") -> Key:
        file = tmp_path / f"{kind}.ssh"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(file)],
            check=True,
        )
        return Key(Path(f"{file}.pub").read_text(), file)

    return make


def back_up(target: Target, storage: str, *recipients: str) -> BackupReport:
    return take_backup(target, storage=storage, seal=Seal(recipients))


def restore(
    target: Target,
    storage: str,
    into: str,
    identity_file: str | Path,
    *,
    dry_run: bool = False,
) -> RestoreReport:
    return restore_backup(
        target,
        storage=storage,
        backup_id="latest",
        into=into,
        seal=Seal(identity_file=str(identity_file)),
        dry_run=dry_run,
    )


def read_files(report: BackupReport) -> dict[str, bytes]:
    location = Path(report.location)
    return {
        str(path.relative_to(location)): path.read_bytes()
        for path in location.rglob("*")
        if path.is_file()
    }


def test_no_row_is_stored_in_plain_text(
    filled: Target, storage: str, key: Key, new_name: str
) -> None:
    execute(
        filled,
        "CREATE TABLE notes (t text)",
        f"INSERT INTO notes SELECT '{NEEDLE}' FROM generate_series(1, 3)",
        f"COMMENT ON TABLE notes IS '{NEEDLE}'",
    )
    report = back_up(filled, storage, key.recipient)
    files = read_files(report)
    sealed = {name: data for name, data in files.items() if name != "manifest.json"}
    assert report.encrypted
    assert all(name.endswith(SUFFIX) for name in sealed)
    assert all(data.startswith(b"age-encryption.org/v1\n") for data in sealed.values())
    assert not any(NEEDLE.encode() in data for data in files.values())
    assert report.verified is Verified.CHECKSUM
    restored = restore(filled, storage, new_name, key.file)
    assert restored.schema_matches
    assert fetch_hashes(filled.with_database(new_name)) == fetch_hashes(filled)


def test_whoever_holds_the_key_verifies_the_contents(
    filled: Target, storage: str, key: Key
) -> None:
    seal = Seal([key.recipient], key.identity)
    report = take_backup(filled, storage=storage, seal=seal)
    assert report.verified is Verified.CONTENTS


def test_each_of_two_recipients_can_restore(
    filled: Target, storage: str, make_key: Callable[[str], Key], new_name: str
) -> None:
    first, second = make_key("first"), make_key("second")
    back_up(filled, storage, first.recipient, second.recipient)
    for each in (first, second):
        assert restore(filled, storage, new_name, each.file, dry_run=True).dry_run
    assert restore(filled, storage, new_name, second.file).schema_matches


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_an_ssh_key_will_do(
    filled: Target,
    storage: str,
    make_ssh_key: Callable[..., Key],
    new_name: str,
    kind: str,
) -> None:
    key = make_ssh_key(kind)
    back_up(filled, storage, key.recipient)
    assert restore(filled, storage, new_name, key.file).schema_matches


def test_an_identity_file_may_hold_several_keys(
    make_key: Callable[[str], Key], tmp_path: Path
) -> None:
    keys = [make_key(name) for name in "ab"]
    both = tmp_path / "both.key"
    both.write_text("\n".join(each.file.read_text() for each in keys))
    for each in keys:
        sealed = Seal([each.recipient]).close(b"x")
        assert Seal(identity_file=str(both)).open("f.age", sealed) == b"x"


@pytest.fixture
def encrypted(filled: Target, storage: str, key: Key) -> BackupReport:
    """A backup that only `key` opens."""
    return back_up(filled, storage, key.recipient)


def refuse(filled: Target, storage: str, into: str, file: str | Path) -> Refused:
    with pytest.raises(Refused) as caught:
        restore(filled, storage, into, file)
    with pytest.raises(Refused) as planned:
        restore(filled, storage, into, file, dry_run=True)
    assert planned.value.message == caught.value.message
    assert caught.value.exit_code == 4
    assert "BACKUP_IDENTITY_FILE" in (caught.value.hint or "")
    assert "AGE-SECRET" not in str(caught.value)
    return caught.value


@pytest.mark.usefixtures("encrypted")
def test_a_wrong_key_is_named(
    filled: Target,
    storage: str,
    make_key: Callable[[str], Key],
    make_ssh_key: Callable[..., Key],
    new_name: str,
) -> None:
    for wrong in (make_key("wrong"), make_ssh_key("ed25519")):
        error = refuse(filled, storage, new_name, wrong.file)
        assert error.message == (
            f'"details.json.zst.age" is not encrypted to the key in "{wrong.file}"'
        )


def test_no_key_is_told(
    filled: Target, storage: str, encrypted: BackupReport, new_name: str
) -> None:
    error = refuse(filled, storage, new_name, "")
    assert error.message == (
        "the backup is encrypted, and there is no key to open it with"
    )


@pytest.mark.usefixtures("encrypted")
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: text[:-9] + b"QQQQQQQQ\n", "invalid Bech32 encoding"),
        (lambda text: text.lower(), "invalid SSH identity"),
        (lambda text: b"", "incomplete SSH identity in file"),
        (lambda text: b"\xff\xfe" + text, "can't decode byte 0xff"),
        (
            lambda text: pyrage.passphrase.encrypt(text, PASSPHRASE),
            "it is protected by a passphrase",
        ),
        (
            lambda text: pyrage.passphrase.encrypt(text, PASSPHRASE, armored=True),
            "it is protected by a passphrase",
        ),
    ],
    ids=["changed", "lower case", "empty", "no text", "passphrase", "armored"],
)
def test_an_unreadable_key_is_named(
    filled: Target,
    storage: str,
    key: Key,
    damage: Callable[[bytes], bytes],
    problem: str,
) -> None:
    key.file.write_bytes(damage(key.file.read_bytes()))
    error = refuse(filled, storage, "never made", key.file)
    assert error.message.startswith(f'cannot read the identity file "{key.file}": ')
    assert problem in error.message


def test_a_missing_key_file_and_a_directory_are_named(
    filled: Target, storage: str, encrypted: BackupReport, new_name: str, tmp_path: Path
) -> None:
    error = refuse(filled, storage, new_name, tmp_path / "none")
    assert error.message.endswith('/none": No such file or directory')
    error = refuse(filled, storage, new_name, tmp_path)
    assert error.message.endswith('": Is a directory')


def test_an_ssh_key_with_a_passphrase_is_named(
    filled: Target, storage: str, make_ssh_key: Callable[..., Key], new_name: str
) -> None:
    key = make_ssh_key("ed25519", PASSPHRASE)
    back_up(filled, storage, key.recipient)
    error = refuse(filled, storage, new_name, key.file)
    assert "ssh key must be decrypted first" in error.message


def test_a_key_of_somebody_else_is_found_before_the_rows_are_dumped(
    filled: Target, storage: str, make_key: Callable[[str], Key]
) -> None:
    ours, other = make_key("ours"), make_key("other")
    said: list[str] = []
    with pytest.raises(Refused, match="is not encrypted to the key in"):
        take_backup(
            filled,
            storage=storage,
            seal=Seal([ours.recipient], other.identity),
            progress=said.append,
        )
    assert not any("% of all" in line for line in said)
    assert [each.name for each in Path(storage).rglob("*") if each.is_file()] == []


def test_a_flipped_bit_is_found_in_every_file(
    filled: Target,
    storage: str,
    key: Key,
    encrypted: BackupReport,
    new_name: str,
) -> None:
    for name, data in read_files(encrypted).items():
        if name == "manifest.json":
            continue
        path = Path(encrypted.location) / name
        path.write_bytes(flip(data, len(data) // 2))
        with pytest.raises(Refused, match=f'"{name}" was changed after it was written'):
            restore(filled, storage, new_name, key.file)
        path.write_bytes(data)
    assert restore(filled, storage, new_name, key.file).schema_matches


def flip(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def test_a_flipped_bit_is_found_without_a_checksum(key: Key) -> None:
    sealed = Seal([key.recipient]).close(b"x" * 200_000)
    seal = Seal(identity_file=key.identity)
    for position in [*range(230), len(sealed) // 2, len(sealed) - 1]:
        with pytest.raises(Refused, match=r'"f\.age" is (damaged|not encrypted to)'):
            seal.open("f.age", flip(sealed, position))
    for length in (0, 1, 100, 300, 70_000, len(sealed) - 1):
        with pytest.raises(Refused, match=r'"f\.age" is damaged'):
            seal.open("f.age", sealed[:length])


@pytest.mark.parametrize(
    "recipient",
    ["", "age1qqq", "age1", "ssh-ed25519 AAAA", "ssh-dss AAAA", "~/.ssh/id_rsa.pub"],
)
def test_what_is_no_public_key_is_refused(recipient: str, key: Key) -> None:
    with pytest.raises(UsageError, match="recipient 2 of encrypted backups is no publ"):
        Seal([key.recipient, recipient])


def test_a_private_key_in_place_of_the_public_one_is_not_shown(key: Key) -> None:
    private = key.file.read_text().splitlines()[-1]
    with pytest.raises(UsageError) as caught:
        Seal([private])
    shown = f"{caught.value}{caught.value.hint}{caught.value.__cause__}"
    assert private[20:30] not in shown


def test_verifying_says_when_the_storage_spoils_an_encrypted_file(
    filled: Target, storage: str, key: Key
) -> None:
    def spoil(line: str) -> None:
        if line.startswith("verifying"):
            path = next(Path(storage).glob("*/.*/data/*.age"))
            path.write_bytes(flip(path.read_bytes(), 0))

    with pytest.raises(ToolFailed, match="was changed after it was written"):
        take_backup(filled, storage=storage, seal=Seal([key.recipient]), progress=spoil)


def test_plain_backups_need_no_key(
    filled: Target, storage: str, key: Key, new_name: str
) -> None:
    take_backup(filled, storage=storage)
    assert restore(filled, storage, new_name, key.file).schema_matches


def test_all_of_these_are_errors_with_a_hint(key: Key) -> None:
    for seal in (Seal(), Seal(identity_file="/nowhere")):
        with pytest.raises(DbopsError) as caught:
            seal.open("f.age", b"")
        assert caught.value.hint
