"""Run PostgreSQL's server programs as a user that is not root.

PostgreSQL refuses to run as root, and a checkout of root's often lies below a directory
that nobody else may enter (`/root`, or one made by `mktemp -d`). No mode of a parent
directory is changed for it: the program gets the one capability to walk through.

Source: capabilities(7), setpriv(1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dbops.errors import ServerFailed

CAPABILITIES = ("dac_read_search", "dac_override")
"""Either lets a process pass directories that are closed to its user. Docker grants
root the second alone."""

SYSTEM_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int


def is_root() -> bool:
    """Tell whether this process runs as root."""
    return os.geteuid() == 0


def describe_user(uid: int) -> str:
    """Return the user's name, or the number of one that has none."""
    import pwd  # not on Windows

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def find_account(*, data: Path, project: Path) -> Account:
    """Return the user as whom root should run the server of this data directory.

    An existing data directory has its owner, and PostgreSQL insists on it. A new one
    goes to the project's owner, else to a user that every system has. initdb looks the
    user up by number, so one without a name (a bind mount in a container) is passed
    over.

    Raises:
        ServerFailed: there is no such user on this system.
    """
    if data.exists() and (status := data.stat()).st_uid != 0:
        return Account(
            name=describe_user(status.st_uid), uid=status.st_uid, gid=status.st_gid
        )
    names = (describe_user(project.stat().st_uid), *SYSTEM_ACCOUNTS)
    accounts = (_find_account_by_name(name) for name in names)
    for account in accounts:
        if account and account.uid != 0:
            return account
    raise ServerFailed(
        "PostgreSQL does not run as root, and this system has neither a user "
        '"postgres" nor "nobody" to run it as',
        hint="run the command as a normal user, or set DATABASE_URL",
    )


def _find_account_by_name(name: str) -> Account | None:
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def build_prefix(account: Account, capability: str | None) -> tuple[str, ...]:
    """Return the words that, before a program's own, run it as `account`.

    >>> build_prefix(Account(name="nobody", uid=65534, gid=65534), None)
    ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups')
    """
    user = (
        "setpriv",
        f"--reuid={account.uid}",
        f"--regid={account.gid}",
        "--clear-groups",
    )
    if not capability:
        return user
    return (
        *user,
        f"--inh-caps=+{capability}",
        f"--ambient-caps=+{capability}",
        # Without this bit access(2) looks at the user alone, and initdb, which asks
        # it for the programs beside it, does not find them.
        "--securebits=+no_setuid_fixup",
    )


def find_prefix(account: Account, *, program: Path, directory: Path) -> tuple[str, ...]:
    """Return the weakest prefix with which `account` can run `program` in `directory`.

    Raises:
        ServerFailed: there is none, or no setpriv.
    """
    if not shutil.which("setpriv"):
        raise ServerFailed(
            "PostgreSQL does not run as root, and there is no setpriv here to run it "
            f'as user "{account.name}"',
            hint="apt-get install util-linux, or run the command as a normal user",
        )
    output = ""
    for capability in (None, *CAPABILITIES):
        prefix = build_prefix(account, capability)
        tried = subprocess.run(
            [
                *prefix,
                "sh",
                "-c",
                'cd "$1" && "$2" --version',
                "sh",
                directory,
                program,
            ],
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if tried.returncode == 0:
            return prefix
        output = output or " ".join(tried.stdout.split())
    raise ServerFailed(
        f'PostgreSQL does not run as root, and user "{account.name}" cannot use '
        f'"{program}" in "{directory}": {output}',
        hint="run the command as a normal user, or move the project below a directory "
        "that every user may enter, or set DATABASE_URL",
    )
