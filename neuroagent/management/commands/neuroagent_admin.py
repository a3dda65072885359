"""A login for the admin site on the embedded server."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections, transaction

USERNAME = "admin"
FILE_NAME = "admin-password"
REFUSED = 4


class Command(BaseCommand):
    help = (
        "Make the superuser `admin` on the embedded server, with a random password in "
        ".local/admin-password (readable by you alone). Does nothing when both are "
        "there; without the file, the password is made anew. Refuses, with exit code "
        "4, to add anybody to another server's database."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        options = connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"]
        if "embedded_directory" not in options:
            raise CommandError(
                "DATABASE_URL is set: no login is made in that database\n"
                "run: manage.py createsuperuser",
                returncode=REFUSED,
            )
        path = Path(options["embedded_directory"], FILE_NAME)
        users = get_user_model().objects
        if path.exists() and users.filter(username=USERNAME).exists():
            self.stdout.write(f'user "{USERNAME}" is there; password in {path}')
            return
        password = secrets.token_urlsafe(16)
        with transaction.atomic():
            user, _ = users.get_or_create(
                username=USERNAME, defaults={"is_staff": True, "is_superuser": True}
            )
            user.set_password(password)
            user.save()
            write_private(path, f"{password}\n")
        self.stdout.write(f'made user "{USERNAME}"; password in {path}')


def write_private(path: Path, text: str) -> None:
    """Write a file, whole or not at all, that only the directory's owner can read."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(unfinished, owner.st_uid, owner.st_gid)
    unfinished.replace(path)
