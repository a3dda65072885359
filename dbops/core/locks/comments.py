"""Which part of the application sent a query, where a comment in it says so."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

_COMMENT = re.compile(r"/\*(.*?)(?:\*/|\Z)", re.DOTALL)
_PAIR = re.compile(r"([\w.-]+)\s*[=:]\s*'?([^',]*)'?")
PGACTIVITY = "pga_context="
"""What django-pgactivity puts before its JSON."""
PLACES = ("controller", "view", "route", "url", "path", "job", "task", "command")
"""Keys that tell the place in the application, the most telling first."""


def find_caller(query: str) -> str:
    """Return what a comment says of who sent the query, in a few words, or nothing.

    >>> find_caller("SELECT 1 /*controller='shop.cart',framework='django%3A5.2'*/")
    'shop.cart'
    >>> find_caller('/*pga_context={"url": "/cart/", "method": "GET"}*/ SELECT 1')
    'GET /cart/'
    >>> find_caller("SELECT 1 /* a remark */")
    ''

    Source: https://google.github.io/sqlcommenter/spec/
    """
    for comment in _COMMENT.findall(query):
        text = comment.strip()
        pairs = (
            _read_json(text.removeprefix(PGACTIVITY))
            if text.startswith(PGACTIVITY)
            else {key: unquote(value) for key, value in _PAIR.findall(text)}
        )
        if told := _choose(pairs):
            return told
    return ""


def strip_comments(query: str) -> str:
    """Return the query without its comments of the kind that tells who sent it.

    >>> strip_comments("/*pga_context={}*/ SELECT 1 /*route='a'*/")
    'SELECT 1'
    """
    return _COMMENT.sub(" ", query).strip() if "/*" in query else query


def _read_json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:  # The server cuts long queries off.
        return {key.strip('"'): value.strip(' "}') for key, value in _cut(text)}
    return {str(key): str(value) for key, value in found.items()}


def _cut(text: str) -> list[tuple[str, str]]:
    return re.findall(r'("\w+")\s*:\s*("[^"]*"|[^,"}]+)', text)


def _choose(pairs: dict[str, str]) -> str:
    place = next((pairs[key] for key in PLACES if pairs.get(key)), "")
    method = pairs.get("method", "")
    return f"{method} {place}" if method and place.startswith("/") else place
