"""The view with the numbers of `dbops_backups check`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import RequestFactory

from dbops.core.target import Target
from dbops.views import backup_metrics
from tests.lab import Lab, open_lab

TOKEN = "t0ken-of-the-scraper"


class Staff:
    is_active = is_staff = True


class Visitor:
    is_active, is_staff = True, False


@pytest.fixture
def lab(tmp_path: Path, filled: Target, django_db_blocker: Any) -> Iterator[Lab]:
    cache.clear()
    with django_db_blocker.unblock(), open_lab(tmp_path, filled) as opened:
        assert opened.run("dbops_backup").code == 0
        yield opened
    cache.clear()


def get(
    lab: Lab, user: object = None, authorization: str = "", **options: Any
) -> HttpResponse:
    headers = {"Authorization": authorization} if authorization else {}
    request = RequestFactory().get("/metrics", headers=headers)
    if user is not None:
        request.user = user  # type: ignore[assignment]
    with lab.open(METRICS_TOKEN=TOKEN):
        return backup_metrics(request, **options)


def test_the_numbers_are_those_of_the_check(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "dbops.prom"
    assert lab.run("dbops_backups", "check", "--prometheus", str(file)).code == 0
    response = get(lab, Staff())
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "no-cache" in response["Cache-Control"]

    def read(text: str) -> dict[str, str]:
        lines = [each for each in text.splitlines() if not each.startswith("#")]
        found = dict(each.rsplit(" ", 1) for each in lines)
        return {
            name: found[name]
            for name in found
            if "age" not in name and "check_t" not in name
        }

    assert read(response.content.decode()) == read(file.read_text())
    assert lab.settings["BACKUP_STORAGE"] not in response.content.decode()


@pytest.mark.parametrize(
    ("user", "authorization", "status"),
    [
        (None, "", 403),
        (Visitor(), "", 403),
        (None, "Bearer wrong", 403),
        (None, "Bearer ", 403),
        (None, f"Basic {TOKEN}", 403),
        (None, "Bearer t\N{LATIN SMALL LETTER O WITH DIAERESIS}ken", 403),
        (None, f"Bearer {TOKEN}", 200),
        (Staff(), "", 200),
    ],
)
def test_only_staff_and_who_knows_the_token_may_look(
    lab: Lab, user: object, authorization: str, status: int
) -> None:
    assert get(lab, user, authorization).status_code == status


def test_without_a_token_nobody_has_one(lab: Lab) -> None:
    request = RequestFactory().get("/", headers={"Authorization": "Bearer "})
    with lab.open():
        assert backup_metrics(request).status_code == 403
        assert backup_metrics(RequestFactory().post("/")).status_code == 405


def test_the_storage_is_not_asked_with_each_scrape(lab: Lab) -> None:
    first = get(lab, Staff()).content
    shutil.rmtree(lab.settings["BACKUP_STORAGE"])
    assert get(lab, Staff()).content == first
    # With other questions it is another answer.
    other = get(lab, Staff(), min_level="restored").content.decode()
    assert "dbops_backups{" in other
    assert other.split("dbops_backups{")[1].split("} ")[1].startswith("0\n")


def test_a_storage_that_cannot_be_read_is_503_and_says_no_more(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    with lab.open(METRICS_TOKEN=TOKEN, BACKUP_STORAGE="ftp://me:secret@host/x"):
        request = RequestFactory().get("/")
        request.user = Staff()  # type: ignore[assignment]
        response = backup_metrics(request)
    assert response.status_code == 503
    assert b"ftp" not in response.content
    assert "is not supported" in caplog.text
    assert "secret" not in caplog.text
