"""What a message's JSON text says, for people: values in, values out.

The text may be anything: tools return what they like, and some rows were cut off. So
nothing here raises, and what cannot be read as JSON is shown as it is.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

SHOWN_CHARS = 32_768
"""Of one text; all of it is in the raw text."""
FOLDED_CHARS = 1_200
FOLDED_LINES = 20

KNOWN_KEYS = frozenset(
    {"role", "content", "tool_calls", "tool_call_id", "tool_name", "name"}
)
CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
CONTROLS[0x7F] = 0x2421
SURROGATES = re.compile("[\ud800-\udfff]")
SAID = re.compile(r'"content"\s*:\s*"((?:[^"\\]|\\.)*)')
CALL_ID = re.compile(r'"tool_call_id"\s*:\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text to show: all of it, or a beginning with the rest folded away."""

    text: str
    is_json: bool = False
    is_cut: bool = False
    """Whether the database has more of it."""

    @property
    def is_long(self) -> bool:
        """Whether it is folded."""
        return (
            len(self.text) > FOLDED_CHARS
            or self.text.count("\n", 0, FOLDED_CHARS) > FOLDED_LINES
        )

    @property
    def beginning(self) -> str:
        """What is shown of a folded text."""
        head = self.text[: FOLDED_CHARS // 2]
        return "\n".join(head.split("\n")[: FOLDED_LINES // 2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A message's JSON text, taken apart."""

    said: Text | None
    """What the message says, or a tool's result."""
    extras: Text | None
    """All else in it that is not shown in another place."""
    call_id: str
    """The tool call that this is the result of, or empty."""
    call_ids: tuple[str, ...]
    """The tool calls that this asks for."""
    is_broken: bool
    """Whether it is no JSON object, and shown as it is."""


def read_content(raw: str, *, is_cut: bool = False) -> Content:
    """Return what a message says.

    `is_cut` tells that `raw` is only the beginning of it.

    >>> read_content('{"role": "user", "content": "Hello"}').said.text
    'Hello'
    >>> broken = read_content('{"role": ')
    >>> broken.said.text, broken.is_broken
    ('{"role": ', True)
    """
    value = None if is_cut else parse(raw)
    if not isinstance(value, dict):
        return read_broken(raw, is_cut=is_cut)
    extras = {key: each for key, each in value.items() if key not in KNOWN_KEYS}
    calls = value.get("tool_calls")
    return Content(
        said=read_value(value.get("content")),
        extras=Text(text=dump(extras), is_json=True) if extras else None,
        call_id=read_string(value.get("tool_call_id")),
        call_ids=tuple(
            read_string(each.get("id"))
            for each in (calls if isinstance(calls, list) else ())
            if isinstance(each, dict)
        ),
        is_broken=False,
    )


def read_broken(raw: str, *, is_cut: bool) -> Content:
    """Return what is in a text that is no JSON object, or only its beginning."""
    said = SAID.search(raw) if is_cut else None
    call = CALL_ID.search(raw)
    text = unescape(said[1]) if said else raw
    return Content(
        said=Text(text=make_visible(text[:SHOWN_CHARS]), is_cut=is_cut),
        extras=None,
        call_id=unescape(call[1]) if call else "",
        call_ids=(),
        is_broken=not is_cut,
    )


def read_value(value: object) -> Text | None:
    """Return the text of a message's `content`: a string, or a list of parts."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, list) and all(is_text_part(each) for each in value):
        return read_text("\n\n".join(each["text"] for each in value))
    return Text(text=dump(value), is_json=True)


def is_text_part(value: object) -> bool:
    """Tell whether it is one of the parts in which models return text."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and value.keys() <= {"type", "text"}
    )


def read_text(raw: str, *, is_cut: bool = False) -> Text:
    """Return a text, indented if it is JSON.

    >>> read_text('{"a": [1]}').text
    '{\\n  "a": [\\n    1\\n  ]\\n}'
    """
    value = None if is_cut else parse(raw)
    if isinstance(value, dict | list):
        return Text(text=dump(value), is_json=True)
    return Text(text=make_visible(raw), is_cut=is_cut)


def read_string(value: object) -> str:
    """Return the value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def excerpt(raw: str, length: int = 140) -> str:
    r"""Return the first words of what a message says, out of its beginning.

    >>> excerpt('{"role": "user", "content": "One\\ntwo", "other": ')
    'One two'
    """
    found = SAID.search(raw)
    text = " ".join(unescape(found[1]).split()) if found else raw
    text = make_visible(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def unescape(text: str) -> str:
    """Return a JSON string's text; the last escape may be cut off."""
    for candidate in (text, text.rpartition("\\")[0]):
        try:
            value = json.loads(f'"{candidate}"', strict=False)
        except ValueError:
            continue
        return str(value)
    return text


def parse(raw: str) -> Any:
    """Return the JSON value, None for what is none (or is `null`)."""
    try:
        return json.loads(raw, strict=False)
    except (ValueError, RecursionError):
        return None


def dump(value: object) -> str:
    """Return a JSON value with an indent."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    except RecursionError:
        text = str(type(value))
    return make_visible(text)


def make_visible(text: str) -> str:
    r"""Return the text with control characters as pictures, fit for UTF-8.

    >>> make_visible("a\x1b[1m\x00b\n\ud800")
    'a␛[1m␀b\n�'
    """
    return SURROGATES.sub("\ufffd", text.translate(CONTROLS))
