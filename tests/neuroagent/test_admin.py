import uuid
from typing import Any

import pytest
from django.contrib.admin.sites import site
from django.db import models
from django.test import Client

from neuroagent.models import (
    ComplexityEstimation,
    Message,
    Thread,
    TokenConsumption,
    ToolCall,
    ToolSelection,
)
from tests.factories import (
    ComplexityEstimationFactory,
    MessageFactory,
    ThreadFactory,
    TokenConsumptionFactory,
    ToolCallFactory,
    ToolSelectionFactory,
)
from tests.neuroagent.pages import build_url, capture, search

pytestmark = pytest.mark.django_db

FACTORIES: dict[type[models.Model], Any] = {
    Thread: ThreadFactory,
    Message: MessageFactory,
    ToolCall: ToolCallFactory,
    ToolSelection: ToolSelectionFactory,
    TokenConsumption: TokenConsumptionFactory,
    ComplexityEstimation: ComplexityEstimationFactory,
}
each_model = pytest.mark.parametrize(
    "model", FACTORIES, ids=lambda model: model.__name__
)


def test_the_root_leads_to_the_admin(client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/admin/")


@each_model
def test_a_list_answers_with_few_queries(
    model: type[models.Model], admin_client: Client
) -> None:
    FACTORIES[model].create_batch(30)
    response, statements = capture(admin_client, build_url(model, "changelist"))
    assert len(response.context["cl"].result_list) == 30
    # The page and the size of the table; and what is read for all of its rows at once.
    assert len(statements) <= 5


@each_model
def test_a_detail_page_shows_the_row_with_few_queries(
    model: type[models.Model], admin_client: Client
) -> None:
    row = FACTORIES[model].create()
    FACTORIES[model].create_batch(30)
    url = build_url(model, "change", row.pk)
    response, statements = capture(admin_client, url)
    page = response.content.decode()
    assert response.status_code == 200
    assert str(row.pk) in page
    assert len(statements) <= (7 if model is Thread else 1)
    for element in ("<select", "<textarea", "deletelink", 'name="_save"'):
        assert element not in page


@each_model
def test_nothing_can_be_added_changed_or_deleted(
    model: type[models.Model], admin_client: Client
) -> None:
    row = FACTORIES[model].create()
    assert admin_client.get(build_url(model, "add")).status_code == 403
    assert admin_client.post(build_url(model, "add")).status_code == 403
    assert admin_client.post(build_url(model, "change", row.pk)).status_code == 403
    delete = build_url(model, "delete", row.pk)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    admin_client.post(build_url(model, "changelist"), data)
    assert model._default_manager.get() == row


@each_model
def test_a_list_needs_the_permission_to_view(
    model: type[models.Model], client: Client, django_user_model: Any
) -> None:
    clerk = django_user_model.objects.create_user("clerk", is_staff=True)
    client.force_login(clerk)
    assert client.get(build_url(model, "changelist")).status_code == 403


@each_model
def test_a_row_is_found_by_its_id(
    model: type[models.Model], admin_client: Client
) -> None:
    row, *_ = FACTORIES[model].create_batch(3)
    assert search(admin_client, model, f" {row.pk} ") == [row]
    assert search(admin_client, model, str(uuid.uuid4())) == []


@pytest.mark.parametrize("text", ['"', "%", "'; --", "\\", "the"])
@each_model
def test_any_text_can_be_searched_for(
    model: type[models.Model], text: str, admin_client: Client
) -> None:
    FACTORIES[model].create()
    assert search(admin_client, model, text) == []


def test_messages_and_threads_are_found_by_what_was_said(admin_client: Client) -> None:
    message = MessageFactory.create(text="Which neurons fire?")
    MessageFactory.create(text="What is a synapse?")
    assert search(admin_client, Message, "neuron firing") == [message]
    assert search(admin_client, Thread, "neuron firing") == [message.thread]


def test_messages_are_found_by_their_thread(admin_client: Client) -> None:
    message, _ = MessageFactory.create_batch(2)
    assert search(admin_client, Message, str(message.thread.pk)) == [message]


def test_tool_calls_are_found_by_part_of_the_name(admin_client: Client) -> None:
    call = ToolCallFactory.create(name="generate-plot")
    ToolCallFactory.create()
    assert search(admin_client, ToolCall, "plot") == [call]


def test_the_list_of_messages_does_not_read_their_content(admin_client: Client) -> None:
    MessageFactory.create()
    response = admin_client.get(build_url(Message, "changelist"))
    [message] = response.context["cl"].result_list
    assert message.get_deferred_fields() == {"content", "search_vector"}


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (Message, "entity", "USER"),
        (TokenConsumption, "task", "CHAT_COMPLETION"),
        (TokenConsumption, "type", "COMPLETION"),
        (ComplexityEstimation, "reasoning", "LOW"),
    ],
)
def test_enums_filter_the_list(
    model: type[models.Model], field: str, value: str, admin_client: Client
) -> None:
    FACTORIES[model].create()
    url = build_url(model, "changelist")
    response = admin_client.get(url, {f"{field}__exact": value})
    assert len(response.context["cl"].result_list) == 1
    response = admin_client.get(url, {f"{field}__exact": "ROBOT"})
    assert response.status_code == 302
    assert response["Location"].endswith("?e=1")


def test_all_six_models_are_registered() -> None:
    registered = {
        model for model in site._registry if model._meta.app_label == "neuroagent"
    }
    assert registered == set(FACTORIES)
