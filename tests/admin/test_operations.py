"""The operations page: who may see it, what it says, and how a session is ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dbops.core.target import Target
from tests.admin.conftest import Blocked
from tests.admin.pages import build_act_url, build_url, read
from tests.databases import connect
from tests.neuroagent.pages import audit
from tests.processes import wait_until

pytestmark = pytest.mark.django_db

MIGRATION = ("neuroagent", "0003_add_indexes_for_inspection")


def list_addresses() -> list[str]:
    return [
        build_url(),
        build_url("locks"),
        build_url("migration", *MIGRATION),
        build_act_url(1),
    ]


@pytest.fixture
def looker(client: Client, django_user_model: Any) -> Client:
    """Somebody who may look, and not act."""
    user = django_user_model.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_operations"))
    client.force_login(user)
    return client


# Who may what


def test_strangers_have_to_sign_in(client: Client) -> None:
    for url in list_addresses():
        response = client.get(url)
        assert response.status_code == 302, url
        assert response["Location"].startswith("/admin/login/?next=")


def test_the_permissions_of_the_ledger_are_not_enough(
    client: Client, django_user_model: Any
) -> None:
    clerk = django_user_model.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(
        *Permission.objects.filter(
            codename__in=("view_deployment", "view_step", "signal_sessions")
        )
    )
    client.force_login(clerk)
    for url in list_addresses():
        assert client.get(url).status_code == 403, url
    assert build_url() not in read(client, reverse("admin:index"))


def test_who_may_look_may_not_act(looker: Client, blocked: Blocked) -> None:
    page = read(looker, build_url())
    assert str(blocked.blocker) in page
    assert build_act_url(blocked.blocker) not in page
    for method in (looker.get, looker.post):
        assert method(build_act_url(blocked.blocker)).status_code == 403
    assert build_url() in read(looker, reverse("admin:index"))


# What it says


def test_the_answer_comes_first_and_everything_is_there(admin_client: Client) -> None:
    read(admin_client, build_url())
    with CaptureQueriesContext(connection) as captured:
        page = read(admin_client, build_url())
    # User and session; history and existing tables, for status and for the lists.
    assert len(captured) <= 14, [each["sql"] for each in captured]
    headings = [
        "deploy</h2>",
        "Who blocks whom</h2>",
        "Migrations and schema</h2>",
        "Deployments and other runs</h2>",
        "Backups</h2>",
        "Server and tables</h2>",
    ]
    places = [page.find(each) for each in headings]
    assert -1 not in places
    assert places == sorted(places)
    assert "neuroagent.0003_add_indexes_for_inspection" in page
    assert "public.messages" in page


def test_a_migration_is_shown_with_both_its_files(admin_client: Client) -> None:
    page = read(admin_client, build_url("migration", *MIGRATION))
    assert "CREATE INDEX CONCURRENTLY" in page
    assert "DROP INDEX CONCURRENTLY" in page
    missing = build_url("migration", "neuroagent", "0099_nothing")
    assert admin_client.get(missing).status_code == 404


def test_who_blocks_whom_is_told_and_stops_a_deployment(
    admin_client: Client, blocked: Blocked
) -> None:
    page = read(admin_client, build_url("locks"))
    assert "1 session waits" in audit(page).text
    assert f"dbops_locks --terminate {blocked.blocker}" in page
    assert str(blocked.waiter) in page
    assert "public.threads" in page
    assert "&lt;b&gt;gunicorn" in page
    assert "<b>gunicorn" not in page
    assert build_act_url(blocked.blocker) in page
    wait_until(
        lambda: "Not safe to deploy" in read(admin_client, build_url()), "a long wait"
    )


# Acting


def ask(client: Client, pid: int, act: str = "terminate") -> str:
    """Return the token of the question."""
    response: Any = client.get(build_act_url(pid, act))
    assert response.status_code == 200
    assert audit(response.content.decode()).faults == []
    return str(response.context["token"])


def answer(client: Client, pid: int, token: str, act: str = "terminate") -> Any:
    return client.post(build_act_url(pid, act), {"token": token})


def fetch_acts(target: Target) -> list[str]:
    with connect(target) as session:
        rows = session.execute(
            "SELECT message FROM dbops_deployment WHERE kind = 'locks'"
        ).fetchall()
    return [message for (message,) in rows]


def test_a_blocker_is_ended_after_a_question_and_written_down(
    admin_client: Client, blocked: Blocked, ledger: object
) -> None:
    page = read(admin_client, build_act_url(blocked.blocker))
    assert "frees 1 session" in page
    assert "all that its transaction has written" in page
    assert fetch_acts(blocked.target) == []

    token = ask(admin_client, blocked.blocker)
    response = answer(admin_client, blocked.blocker, token)
    assert response.status_code == 302
    assert response["Location"] == build_url()
    assert blocked.crowd.settle(1)
    (message,) = fetch_acts(blocked.target)
    assert message.startswith('asked for by "ada" in the admin site: terminate session')
    assert "done, frees 1 session" in message
    entry = LogEntry.objects.get()
    assert entry.user.get_username() == "ada"
    assert f"session {blocked.blocker}" in entry.object_repr
    assert "done, frees 1 session" in entry.change_message
    assert "done, frees 1 session" in read(admin_client, build_url())

    # The same answer once more: the pid is nobody's.
    response = answer(admin_client, blocked.blocker, token)
    assert response.status_code == 409
    assert "there is no session" in response.content.decode()


def test_a_session_that_went_on_is_left_alone(
    admin_client: Client, blocked: Blocked, ledger: object
) -> None:
    token = ask(admin_client, blocked.blocker)
    blocked.crowd.execute(0, "COMMIT", "BEGIN", "SELECT 1")
    response = answer(admin_client, blocked.blocker, token)
    assert response.status_code == 200
    assert "nothing was sent" in response.content.decode()
    for wrong in ("", "x", token[:-1]):
        assert "nothing was sent" in str(
            answer(admin_client, blocked.blocker, wrong).content
        )
    # What was agreed to is one act, on one database.
    assert "nothing was sent" in str(
        answer(admin_client, blocked.blocker, token).content
    )
    blocked.crowd.execute(0, "SELECT 1")
    assert fetch_acts(blocked.target) == []
    assert not LogEntry.objects.exists()


def test_what_makes_no_sense_is_refused_as_on_the_command_line(
    admin_client: Client, blocked: Blocked
) -> None:
    page = read(admin_client, build_act_url(blocked.blocker, "cancel"), status=409)
    assert "a cancel reports success and does nothing" in page
    assert f"dbops_locks --terminate {blocked.blocker}" in page
    assert admin_client.get(build_act_url(1, "shoot")).status_code == 404
    read(admin_client, build_act_url(2**31 - 1), status=409)
    assert admin_client.get(build_act_url(2**70)).status_code == 404


def test_an_answer_needs_the_forms_token(blocked: Blocked, admin_user: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert answer(client, blocked.blocker, "x").status_code == 403
