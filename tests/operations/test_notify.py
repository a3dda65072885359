"""Notifications: on failure, and on the first success after it; never a secret."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import django
import pytest
from django.core import mail
from django.test import override_settings

from dbops.core.target import Target
from tests.lab import Lab, open_lab
from tests.operations.test_backups import publish

TOKEN = "t0ken-nobody-may-see"
# Django 6.0 wants addresses alone.
ADA = "ada@example.org"
ADMINS: list[object] = [ADA if django.VERSION >= (6, 0) else ("Ada", ADA)]


@dataclass(slots=True)
class Hook:
    """A web server that remembers what it was told."""

    port: int
    status: int = 200
    received: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://user:{TOKEN}@127.0.0.1:{self.port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            started.received.append(json.loads(body))
            self.send_response(started.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    started = Hook(port=server.server_address[1])
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}
    )
    thread.start()
    try:
        yield started
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lab(tmp_path: Path, database: Target, django_db_blocker: Any) -> Iterator[Lab]:
    with django_db_blocker.unblock(), open_lab(tmp_path, database) as lab:
        yield lab


def test_tells_each_failure_and_the_first_success_after_it(
    lab: Lab, hook: Hook
) -> None:
    given = {"NOTIFY": [hook.url]}
    file = lab.directory / "file"
    file.touch()
    assert lab.run("dbops_backup", **given).code == 0
    assert hook.received == []
    bad = ("--storage", str(file))
    for _ in range(2):
        assert lab.run("dbops_backup", *bad, **given).code == 4
    assert [each["type"] for each in hook.received] == ["failure", "failure"]
    assert f'backup of database "{lab.target.database}"' in hook.received[0]["title"]
    assert "cannot write to backup storage" in hook.received[0]["message"]
    assert "Next: name a directory" in hook.received[0]["message"]
    for _ in range(2):
        assert lab.run("dbops_backup", **given).code == 0
    assert [each["type"] for each in hook.received[2:]] == ["success"]
    assert hook.received[2]["title"].endswith("works again")


def test_a_check_tells_what_it_found(lab: Lab, hook: Hook) -> None:
    given = {"NOTIFY": [hook.url]}
    assert lab.run("dbops_backups", "check", **given).code == 3
    assert "there is no backup in" in hook.received[0]["message"]
    publish(lab, timedelta(hours=1))
    for _ in range(2):
        assert lab.run("dbops_backups", "check", **given).code == 0
    assert [each["type"] for each in hook.received] == ["failure", "success"]


def test_backup_and_check_are_told_apart(lab: Lab, hook: Hook) -> None:
    given = {"NOTIFY": [hook.url]}
    assert lab.run("dbops_backups", "check", **given).code == 3
    assert lab.run("dbops_backup", **given).code == 0
    assert len(hook.received) == 1


def test_a_check_that_fails_altogether_is_told_too(
    lab: Lab, hook: Hook, tmp_path: Path
) -> None:
    outcome = lab.run(
        "dbops_backups", "check", "--storage", "ftp://x/y", NOTIFY=[hook.url]
    )
    assert outcome.code == 2
    assert "is not supported" in hook.received[0]["message"]


def test_a_dry_run_and_the_other_commands_tell_nobody(lab: Lab, hook: Hook) -> None:
    given = {"NOTIFY": [hook.url]}
    bad = ("--storage", "ftp://x/y")
    assert lab.run("dbops_backup", "--dry-run", *bad, **given).code == 2
    assert lab.run("dbops_backups", "list", *bad, **given).code == 2
    assert hook.received == []


def test_mails_the_admins(lab: Lab) -> None:
    # Django 6.1 wants mailers to be named; 5.2 does not know them.
    mailers = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    with override_settings(ADMINS=ADMINS, MAILERS=mailers):
        lab.run("dbops_backups", "check", NOTIFY=["mailto:"])
    (message,) = mail.outbox
    assert message.to == ["ada@example.org"]
    assert "check of backups of database" in message.subject
    assert "there is no backup in" in str(message.body)


def test_what_cannot_be_sent_is_a_line_and_no_failure(lab: Lab, hook: Hook) -> None:
    publish(lab, timedelta(hours=1))
    hook.status = 500
    urls = [hook.url, f"json://user:{TOKEN}@127.0.0.1:1/", f"no{TOKEN}", "mailto:"]
    outcome = lab.run("dbops_backups", "check", "--max-age", "1m", NOTIFY=urls)
    assert outcome.code == 3
    lines = outcome.err.splitlines()
    assert lines[0].startswith("notification 1 (json:) was not sent: ")
    assert lines[1].startswith("notification 2 (json:) was not sent: ")
    assert lines[2] == "notification 3 was not sent: apprise knows no such URL"
    assert lines[3] == "notification 4 (mailto:) was not sent: ADMINS is empty"
    assert TOKEN not in outcome.out + outcome.err


def test_says_which_package_is_missing(
    lab: Lab, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    outcome = lab.run("dbops_backups", "check", NOTIFY=[hook.url])
    assert outcome.code == 3
    assert "django-dbops[notifications]" in outcome.err


def test_keeps_the_password_to_itself(
    lab: Lab, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cret-w0rd"
    target = replace(
        lab.target, parameters={**lab.target.parameters, "password": secret}
    )

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot log in with {secret}")

    monkeypatch.setattr("dbops.management.commands.dbops_backup.back_up", fail)
    with pytest.raises(RuntimeError):
        replace(lab, target=target).run("dbops_backup", NOTIFY=[hook.url])
    assert hook.received[0]["message"] == "cannot log in with ********"


def test_a_memory_that_cannot_be_kept_is_a_line(lab: Lab, hook: Hook) -> None:
    file = lab.directory / "file"
    file.touch()
    outcome = lab.run("dbops_backups", "check", NOTIFY=[hook.url], CACHE_DIR=str(file))
    assert outcome.code == 3
    assert "cannot remember the outcome in" in outcome.err
    assert len(hook.received) == 1
