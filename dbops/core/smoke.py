"""HTTP requests that show whether the application works: `DBOPS["SMOKE_CHECKS"]`.

    [{"name": "ask", "method": "POST", "url": "https://app.example.org/api/ask",
      "headers": {"Authorization": "Bearer $SMOKE_TOKEN"}, "json": {"content": "Hi"},
      "stream": True}]

URL and header values may name variables of the environment, as `$NAME` or `${NAME}`;
`$$` is a dollar. What they hold is secret, and no message tells it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from dbops.errors import Refused

SETTING = 'DBOPS["SMOKE_CHECKS"]'
KEYS = {
    "name": str,
    "method": str,
    "url": str,
    "headers": Mapping,
    "json": object,
    "body": str,
    "status": int,
    "contains": str,
    "stream": bool,
    "timeout_s": (int, float),
    "within_s": (int, float),
}
VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>\w+)\})"
)
WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What names of methods and headers are made of (RFC 9110, token)."""
PRINTABLE = re.compile(r"[!-~]+")
LAST_CONTROL, DELETE = "\x1f", "\x7f"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeCheck:
    """One request, and the answer that is expected."""

    name: str
    method: str
    place: str
    """Its URL without what may be secret: variables, user, password, query."""
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    status: int
    contains: str
    """Expected somewhere in the body; empty: anything will do."""
    stream: bool
    """Whether the first bytes are enough; then it is hung up."""
    timeout_s: float
    within_s: float
    """For how long it is tried again; an application that restarts needs a moment."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What the variables of the URL hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeResult:
    """How one check ended."""

    name: str
    ok: bool
    tries: int
    duration_s: float
    """Of the last try."""
    problem: str = ""


def parse_smoke_checks(
    given: object, environment: Mapping[str, str]
) -> tuple[SmokeCheck, ...]:
    """Return the checks of the setting.

    Raises:
        Refused: one of them cannot be read, or names a variable that is not set.
    """
    if not isinstance(given, (list, tuple)):
        raise _refuse(f"{SETTING} is no list")
    checks = tuple(
        _parse(each, f"{SETTING}[{number}]", environment)
        for number, each in enumerate(given)
    )
    names = [each.name for each in checks]
    for name in names:
        if names.count(name) > 1:
            raise _refuse(f'{SETTING} has the name "{name}" twice')
    return checks


def _parse(given: object, where: str, environment: Mapping[str, str]) -> SmokeCheck:
    if not isinstance(given, Mapping):
        raise _refuse(f"{where} is no mapping")
    _require_keys(given, where)
    place = _tell_url(given["url"])
    name = given.get("name") or place
    where = f'smoke check "{name}"'
    headers = {
        key: _expand(value, f'{where}, header "{key}"', environment)
        for key, value in _read_headers(given, where)
    }
    url, user = _split_user(_expand(given["url"], f"{where}, url", environment), where)
    body = _build_body(given, where, headers)
    if user:
        _set_default(headers, "Authorization", user)
    for key, value in headers.items():
        _require_sendable(key, value, where)
    method = given.get("method", "GET" if body is None else "POST")
    if not WORD.fullmatch(method):
        raise _refuse(f"{where}: the method is no word")
    return SmokeCheck(
        name=name,
        method=method.upper(),
        place=place,
        url=url,
        headers=headers,
        body=body,
        status=given.get("status", 200),
        contains=given.get("contains", ""),
        stream=given.get("stream", False),
        timeout_s=float(given.get("timeout_s", 10)),
        within_s=float(given.get("within_s", 30)),
        secrets=tuple(
            environment[found["plain"] or found["braced"]]
            for found in VARIABLE.finditer(given["url"])
            if not found["dollar"]
        ),
    )


def _require_keys(given: Mapping[str, Any], where: str) -> None:
    for key, value in given.items():
        kind = KEYS.get(key)
        if kind is None:
            known = ", ".join(KEYS)
            raise _refuse(f'{where} has "{key}"; known are {known}')
        is_flag = isinstance(value, bool) and kind not in (bool, object)
        if is_flag or not isinstance(value, kind):  # type: ignore[arg-type]
            raise _refuse(f'{where}: "{key}" is {type(value).__name__}')
        if key in {"timeout_s", "within_s"} and not 0 <= value < float("inf"):
            raise _refuse(f'{where}: "{key}" is {value}')
    if not given.get("url"):
        raise _refuse(f'{where} has no "url"')
    if given.get("timeout_s") == 0:
        raise _refuse(f'{where}: "timeout_s" is 0')


def _read_headers(given: Mapping[str, Any], where: str) -> Iterable[tuple[str, str]]:
    for key, value in given.get("headers", {}).items():
        if not isinstance(key, str) or not WORD.fullmatch(key):
            raise _refuse(f"{where}: a header's name is no word")
        if not isinstance(value, str):
            raise _refuse(f'{where}: header "{key}" is {type(value).__name__}')
        yield key, value


def _expand(text: str, where: str, environment: Mapping[str, str]) -> str:
    """Put the variables in; none of them may be missing or empty."""

    def put_in(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        name = found["plain"] or found["braced"]
        value = environment.get(name)
        if not value:
            raise Refused(
                f"{where} needs the environment variable {name}, which is not set",
                hint=f"set {name}, then run the command again",
            )
        return value

    return VARIABLE.sub(put_in, text)


def _split_user(url: str, where: str) -> tuple[str, str]:
    """Return the URL without user and password, and the header that has them."""
    if not PRINTABLE.fullmatch(url):
        raise _refuse(f"{where}: the url has spaces, or letters that need %-encoding")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _refuse(f"{where}: the url is none") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise _refuse(
            f"{where}: the url does not begin with http://host or https://host"
        )
    user, _, place = parts.netloc.rpartition("@")
    plain = urlunsplit(parts._replace(netloc=place, fragment=""))
    if not user:
        return plain, ""
    coded = base64.b64encode(unquote(user).encode()).decode()
    return plain, f"Basic {coded}"


def _build_body(
    given: Mapping[str, Any], where: str, headers: dict[str, str]
) -> bytes | None:
    if "json" in given and "body" in given:
        raise _refuse(f'{where} has both "json" and "body"')
    if "body" in given:
        return str(given["body"]).encode()
    if "json" not in given:
        return None
    try:
        body = json.dumps(given["json"]).encode()
    except (TypeError, ValueError) as error:
        raise _refuse(f'{where}: "json" cannot be written as JSON') from error
    _set_default(headers, "Content-Type", "application/json")
    return body


def _set_default(headers: dict[str, str], name: str, value: str) -> None:
    if name.lower() not in {each.lower() for each in headers}:
        headers[name] = value


def _require_sendable(name: str, value: str, where: str) -> None:
    if any(each <= LAST_CONTROL or each == DELETE for each in value):
        raise _refuse(f'{where}: header "{name}" has a line break or another control')
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise _refuse(f'{where}: header "{name}" is not Latin-1') from None


def _refuse(problem: str) -> Refused:
    return Refused(
        problem, hint=f"correct {SETTING}: docs/how-to/verify-a-deployment.md"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)
    location: str = field(default="", repr=False)
    """Where it leads to, where it is a redirect."""


def find_problem(check: SmokeCheck, answer: Answer) -> str:
    """Return what is wrong with the answer; empty where nothing is.

    The body is not told: it may repeat what was sent.
    """
    if answer.status != check.status:
        leads = _tell_location(check, answer.location)
        return f"answers {answer.status}{leads}, and {check.status} is expected"
    if check.stream and not answer.body:
        return "ends without a byte"
    if check.contains and check.contains.encode() not in answer.body:
        return f'answers without the text "{check.contains}"'
    return ""


def _tell_location(check: SmokeCheck, location: str) -> str:
    """Return where a redirect leads, unless it repeats what is secret."""
    told = _tell_url(location)
    plain = unquote(told)
    if not told or any(each in told or each in plain for each in check.secrets):
        return ""
    return f" to {told}"


def _tell_url(url: str) -> str:
    """Return the URL without user, password, query and fragment.

    >>> _tell_url("https://u:p@app.example.org:8000/a?token=b#c")
    'https://app.example.org:8000/a'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "another place"
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", ""))
