"""The operations pages as tests ask for them."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from tests.neuroagent.pages import audit


def build_url(page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:dbops_operations_{page}", args=args)


def build_act_url(pid: int, act: str = "terminate") -> str:
    return build_url("session", pid, act)


def read(client: Client, url: str, *, status: int = 200) -> str:
    """Return a page that loads and runs nothing from elsewhere."""
    response = client.get(url)
    assert response.status_code == status, url
    page = response.content.decode()
    assert audit(page).faults == []
    return page
