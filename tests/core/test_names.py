"""Names of migrations: which say something."""

from __future__ import annotations

import doctest

import pytest

from dbops.core import names
from dbops.core.names import NameFault, find_fault


def test_doctests() -> None:
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize(
    "name",
    """
    auto_20261123_0630 0003_auto_20261123_0630 auto_1 update_schema fix_bug FixBug
    migration_1 changes misc wip temp tmp test new_migration update_models update_tables
    fix_migration_2 add update alter models data schema_v2 v2 2 20261123 2026_11_23
    0003 0003_20261123 __ x test2 more_fixes some_small_changes add_new_column
    november_changes custom 0002_update_the_data_again final_final_v3 0004_initial_2
    merge
    """.split(),  # noqa: SIM905
)
def test_refuses_a_name_that_any_migration_could_have(name: str) -> None:
    assert find_fault(name) is not None


@pytest.mark.parametrize(
    "name",
    """
    add_thread_description 0002_add_thread_description thread_description
    drop_unused_index_on_messages alter_message_content remove_x_y note
    rename_price_order_amount_and_more delete_draft_messages auto_close_threads
    add_oauth2_tokens addThreadDescription backfill_slugs order_note_text_idx
    fix_timezone_of_created_at initial_balance_of_accounts
    """.split(),  # noqa: SIM905
)
def test_accepts_a_name_that_says_something(name: str) -> None:
    assert find_fault(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("0002", "it is only a number"),
        ("0002_initial", "only an app's first migration is the initial one"),
        (
            "auto_20261123_0630",
            "it is the one that Django makes up when it knows no better",
        ),
        ("0002_fix_bug_7", 'any migration could be called "fix_bug_7"'),
        ("ab", "it is too short to say anything"),
    ],
)
def test_says_what_is_wrong(name: str, reason: str) -> None:
    assert find_fault(name, example="drop_orders") == NameFault(
        reason=reason, example="drop_orders"
    )


def test_only_the_first_migration_is_initial() -> None:
    assert find_fault("0001_initial", is_initial=True) is None
    assert find_fault("0002_initial") is not None
    assert find_fault("0001_update", is_initial=True) is not None


def test_a_merge_may_be_called_so() -> None:
    assert find_fault("0004_merge_0003_a_0003_b") is None
    assert find_fault("0004_merge_20261123_0630") is not None
    assert find_fault("0004_merge_20261123_0630", is_merge=True) is None
    assert find_fault("0004_wip", is_merge=True) is not None


def test_a_common_word_says_something_where_it_is_a_model_s_name() -> None:
    assert find_fault("add_schema_to_data") is not None
    assert find_fault("add_schema_to_data", subjects=["Data"]) is None
    assert find_fault("test_models", subjects=["TestRun"]) is None
