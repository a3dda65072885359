"""Probes and metrics: what they say, to whom, and what they ask for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from tests.admin.conftest import Blocked
from tests.processes import wait_until

pytestmark = pytest.mark.django_db

CHECKOUT = Path(__file__).parents[2]
TOKEN = "t0ken-of-the-scraper"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROMISED = {
    "dbops_server_up",
    "dbops_deploy_safe",
    "dbops_migrations_unapplied",
    "dbops_blocked_sessions",
    "dbops_longest_lock_wait_seconds",
    "dbops_longest_transaction_seconds",
    "dbops_invalid_indexes",
    "dbops_backup_check_failures",
    "dbops_backups",
}


@pytest.fixture(autouse=True)
def _token(settings: Any, tmp_path: Path) -> Iterator[None]:
    cache.clear()
    settings.DBOPS = {
        **settings.DBOPS,
        "METRICS_TOKEN": TOKEN,
        "BACKUP_STORAGE": str(tmp_path),
    }
    yield
    cache.clear()


def scrape(client: Client) -> dict[str, float]:
    """Return the numbers by name, as Prometheus would read them."""
    response = client.get("/metrics", headers=BEARER)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    name = connection.settings_dict["NAME"]
    found = {}
    for family in text_string_to_metric_families(response.content.decode()):
        (sample,) = family.samples
        assert sample.labels == {"database": name}
        assert family.documentation
        found[sample.name] = sample.value
    return found


def test_liveness_asks_no_database(client: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert len(captured) == 0
    assert client.post("/healthz").status_code == 405


def test_readiness_wants_nothing_pending(client: Client) -> None:
    assert client.get("/readyz").content == b"ok\n"
    with CaptureQueriesContext(connection) as captured:
        client.get("/readyz")
    assert len(captured) <= 4
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("neuroagent", "0004_add_token_sums")
    recorder.record_unapplied("sessions", "0001_initial")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"migrations pending" in response.content
    assert client.get("/readyz?database=nothing").status_code == 404


def test_the_numbers_are_those_of_the_page(client: Client) -> None:
    found = scrape(client)
    assert found.keys() >= PROMISED
    assert found["dbops_server_up"] == 1
    assert found["dbops_migrations_unapplied"] == 0
    assert found["dbops_blocked_sessions"] == 0
    assert found["dbops_backup_check_failures"] == 1
    assert found["dbops_invalid_indexes"] == 0


def test_waiting_sessions_are_counted(client: Client, blocked: Blocked) -> None:
    def look() -> dict[str, float]:
        cache.clear()
        return scrape(client)

    wait_until(lambda: look()["dbops_longest_lock_wait_seconds"] >= 1, "a long wait")
    found = look()
    assert found["dbops_blocked_sessions"] == 1
    assert found["dbops_deploy_safe"] == 0
    assert found["dbops_longest_transaction_seconds"] >= 1


def test_the_server_is_not_asked_with_each_scrape(client: Client) -> None:
    first = client.get("/metrics", headers=BEARER).content
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/metrics", headers=BEARER).content == first
    assert len(captured) == 0


def test_only_staff_and_who_knows_the_token_may_look(
    client: Client, django_user_model: Any
) -> None:
    assert client.get("/metrics").status_code == 403
    wrong = {"Authorization": "Bearer wrong"}
    assert client.get("/metrics", headers=wrong).status_code == 403
    client.force_login(django_user_model.objects.create_user("visitor"))
    assert client.get("/metrics").status_code == 403
    client.force_login(django_user_model.objects.create_user("clerk", is_staff=True))
    assert client.get("/metrics").status_code == 200


DOWN = """
import django, json
django.setup()
from django.test import Client
client = Client(headers={"host": "localhost", "authorization": "Bearer secret"})
client.cookies["sessionid"] = "0" * 32
answers = [client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
answers.append(Client(headers={"host": "localhost"}).get("/metrics"))
print(json.dumps([[each.status_code, each.content.decode()] for each in answers]))
"""


def test_a_server_that_is_down_is_told_and_no_address(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DOWN],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "neuroagent.settings",
            "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
            "DBOPS_METRICS_TOKEN": "secret",
            "DBOPS_BACKUP_STORAGE": str(tmp_path),
            "DEBUG": "on",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    alive, ready, numbers, stranger = json.loads(done.stdout)
    assert alive == [200, "ok\n"]
    assert ready == [503, "not ready: the database cannot be asked\n"]
    assert numbers[0] == 200
    assert 'dbops_server_up{database="nothing"} 0.0' in numbers[1]
    assert "dbops_backup_check_failures" in numbers[1]
    assert "dbops_migrations_unapplied" not in numbers[1]
    assert stranger[0] == 403
