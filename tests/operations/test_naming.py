"""Names of migrations, judged by their operations."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import models
from django.db.migrations import (
    AddField,
    AddIndex,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveField,
    RenameField,
    RenameIndex,
    RenameModel,
    RunSQL,
)
from django.db.migrations.operations.base import Operation

from dbops.core.names import EXAMPLE
from dbops.operations.check.naming import find_name_fault

AFTER = ("shop", "0001_initial")


def build(
    name: str,
    *operations: Operation,
    after: Sequence[tuple[str, str]] = (AFTER,),
    initial: bool | None = None,
) -> Migration:
    attributes = {"operations": operations, "dependencies": after, "initial": initial}
    migration: Migration = type("Migration", (Migration,), attributes)(name, "shop")
    return migration


@pytest.mark.parametrize(
    ("operation", "example"),
    [
        (AddField("order", "gift", models.TextField()), "add_order_gift"),
        (RemoveField("Order", "gift"), "remove_order_gift"),
        (RenameField("order", "gift", "present"), "rename_order_gift_to_present"),
        (RenameModel("Order", "Purchase"), "rename_order_to_purchase"),
        (CreateModel("Voucher", []), "add_voucher"),
        (DeleteModel("Voucher"), "delete_voucher"),
        (
            AddIndex("order", models.Index(fields=["gift"], name="order_by_gift")),
            "order_order_by_gift",
        ),
        (RunSQL("SELECT 1"), EXAMPLE),
    ],
)
def test_builds_the_example_from_what_changes(
    operation: Operation, example: str
) -> None:
    fault = find_name_fault(build("0002_wip", operation))

    assert fault is not None
    assert fault.example == example


def test_a_common_word_is_fine_for_a_model_of_that_name() -> None:
    operation = CreateModel("Test", [])

    assert find_name_fault(build("0002_test", operation)) is None
    assert find_name_fault(build("0002_test", RunSQL("SELECT 1"))) is not None


def test_the_initial_ones_are_the_first_and_those_that_django_calls_so() -> None:
    elsewhere = [("auth", "0001_initial")]

    assert find_name_fault(build("0001_initial", after=elsewhere)) is None
    assert find_name_fault(build("0002_initial")) is not None
    assert find_name_fault(build("0002_initial", initial=True)) is None


def test_a_merge_may_be_called_by_its_time() -> None:
    both = [("shop", "0002_add_gift"), ("shop", "0002_add_voucher")]

    assert find_name_fault(build("0003_merge_20261123_0630", after=both)) is None
    assert find_name_fault(build("0003_merge_20261123_0630")) is not None


def test_an_index_that_had_no_name_of_its_own_is_renamed() -> None:
    renamed = RenameIndex("order", "order_day_idx", old_fields=("day",))
    assert find_name_fault(build("0002_rename_order_day_idx", renamed)) is None
