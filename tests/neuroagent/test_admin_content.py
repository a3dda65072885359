"""What a text says: pure functions, and whatever may come in."""

import doctest
import json
from types import ModuleType

import pytest

from neuroagent import middleware
from neuroagent.admin import charts, content, display, export, filters, paging
from neuroagent.admin.content import excerpt, make_visible, read_content, read_text


@pytest.mark.parametrize(
    "module",
    [charts, content, display, export, filters, middleware, paging],
    ids=lambda module: module.__name__,
)
def test_doctests(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ('{"content": "Hello"}', "Hello"),
        ('{"content": [{"type": "text", "text": "a"}, {"text": "b"}]}', "a\n\nb"),
        ('{"content": [{"type": "image", "url": "u"}]}', None),
        ('{"content": "[1, 2]"}', "[\n  1,\n  2\n]"),
        ('{"content": {"a": null}}', '{\n  "a": null\n}'),
        ('{"content": 5}', "5"),
        ('{"content": "NaN"}', "NaN"),
    ],
)
def test_says_what_the_content_says(raw: str, said: str | None) -> None:
    found = read_content(raw).said
    assert found is not None
    if said is None:
        assert found.is_json
    else:
        assert found.text == said


@pytest.mark.parametrize("raw", ["", "null", "[1]", "17", '{"a":', "{" * 9000, "\0"])
def test_shows_what_is_no_object_as_it_is(raw: str) -> None:
    found = read_content(raw)
    assert found.is_broken
    assert found.said is not None
    assert found.said.text == make_visible(raw)


def test_keeps_what_it_does_not_know() -> None:
    found = read_content('{"role": "user", "content": "", "annotations": [1]}')
    assert found.said is None
    assert found.extras is not None
    assert json.loads(found.extras.text) == {"annotations": [1]}


def test_deep_and_large_values_do_not_break_it() -> None:
    for raw in ("[" * 100_000 + "]" * 100_000, "1" * 10_000, '{"a":' * 5000):
        assert read_text(raw).text


def test_what_is_cut_still_tells_what_it_is_the_result_of() -> None:
    raw = '{"role": "tool", "tool_call_id": "call_1", "content": "a\\"b and mo'
    found = read_content(raw, is_cut=True)
    assert (found.call_id, found.is_broken) == ("call_1", False)
    assert found.said is not None
    assert (found.said.text, found.said.is_cut) == ('a"b and mo', True)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ('{"content": "cut in an escape \\u00', "cut in an escape"),
        ('{"content": "' + "x" * 200, "x" * 139 + "…"),
        ("no JSON", "no JSON"),
        ('{"content": null, "tool_calls": []}', '{"content": null, "tool_calls": []}'),
    ],
)
def test_excerpts(raw: str, words: str) -> None:
    assert excerpt(raw) == words


def test_long_texts_are_folded() -> None:
    assert not read_text("short").is_long
    long = read_text("line\n" * 500)
    assert long.is_long
    assert long.beginning.count("\n") < 12
    assert read_text("x" * 5000).is_long
