import doctest
import json
import re

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuroagent import validators
from neuroagent.validators import validate_jsonb

FRAGMENTS = st.sampled_from(
    [
        *(r"\u0000", r"\\u0000", r"\\\u0000", r"\ud83d", r"\ude00", r"\ud83d\ude00"),
        *(r"\uD83D\uDE00", r"\ud83d\ud83d", r"\\ud83d", r"\n", r"\"", "\\\\", "\\"),
        *("\0", "\n", "\x1f", "\x7f", '"', "é", "\ud83d", "😀", r"\u00e9", r"\x", "u"),
    ]
)
STRINGS = st.lists(FRAGMENTS | st.text(max_size=2), max_size=6).map(
    lambda parts: f'"{"".join(parts)}"'
)
NUMBERS = st.from_regex(
    r"-?[1-9][0-9]{0,4}(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,6})?", fullmatch=True
)
WORDS = st.sampled_from(["true", "null", "NaN", "Infinity", "-Infinity", "01", "1."])
SCALARS = STRINGS | NUMBERS | WORDS
TEXTS = st.one_of(
    SCALARS,
    SCALARS.map("[{}]".format),
    st.tuples(STRINGS, SCALARS).map(lambda pair: f'{{"a": {pair[1]}, {pair[0]}: 1}}'),
    SCALARS.map(lambda text: f'{{"a": {text}, "a": 1}}'),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=5,
    ).map(json.dumps),
    st.text(max_size=5),
)


def is_accepted(text: str) -> bool:
    try:
        validate_jsonb(text)
    except ValidationError:
        return False
    return True


def is_cast_by_postgresql(text: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT %s::varchar::jsonb", [text])
    except (DataError, UnicodeEncodeError):
        return False
    return True


@pytest.mark.django_db
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(TEXTS)
def test_accepts_exactly_what_postgresql_casts_to_jsonb(text: str) -> None:
    assert is_accepted(text) == is_cast_by_postgresql(text)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("1e131071", True),
        ("1e131072", False),
        ("0.1e131072", True),
        ("1e-16383", True),
        ("1.5e-16383", False),
        ("9" * 131_072, True),
        ("9" * 131_073, False),
        ("1e99999999999999999999", False),
    ],
)
def test_knows_how_large_a_number_may_be(text: str, *, fits: bool) -> None:
    assert is_accepted(text) == is_cast_by_postgresql(text) == fits


def test_refuses_nesting_that_python_cannot_follow() -> None:
    with pytest.raises(ValidationError, match="Nested too deeply"):
        validate_jsonb("[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "Not JSON: Expecting value: line 1 column 1 (char 0)."),
        ("[NaN]", "Not JSON: NaN is not a JSON number."),
        (r'"\u0000"', r"PostgreSQL cannot store \u0000 in a string."),
        (r'"\ud83d"', r"PostgreSQL cannot store \ud83d, half of a surrogate pair."),
        ('"\ud83d"', "Not text: character 1 is half of a surrogate pair."),
        ("1e200000", "PostgreSQL cannot store a number such as 1e200000."),
    ],
)
def test_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=f"^{re.escape(str([message]))}$"):
        validate_jsonb(text)


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(validators).failed == 0
