"""What a smoke check may be, and what is wrong with an answer."""

from __future__ import annotations

from typing import Any

import pytest

from dbops.core.smoke import Answer, find_problem, parse_smoke_checks
from dbops.errors import Refused

URL = "https://app.example.org/api"
ENVIRONMENT = {"TOKEN": "s3cret", "HOST": "app.example.org", "LINES": "a\r\nb"}


def parse(**given: Any) -> Any:
    [check] = parse_smoke_checks([{"url": URL} | given], ENVIRONMENT)
    return check


def test_puts_variables_into_headers_and_url_and_nowhere_else() -> None:
    check = parse(
        url="https://${HOST}/$TOKEN/a?key=$TOKEN&$$x",
        headers={"Authorization": "Bearer $TOKEN", "X-Price": "$$5"},
        json={"query": "query($id: ID!)"},
    )

    assert check.url == "https://app.example.org/s3cret/a?key=s3cret&$x"
    assert check.name == check.place == "https://${HOST}/$TOKEN/a"
    assert check.headers["Authorization"] == "Bearer s3cret"
    assert check.headers["X-Price"] == "$5"
    assert check.headers["Content-Type"] == "application/json"
    assert check.body == b'{"query": "query($id: ID!)"}'
    assert (check.method, check.status) == ("POST", 200)
    assert "s3cret" not in f"{check!r} {check.place}"


def test_sends_user_and_password_of_the_url_as_a_header() -> None:
    check = parse(url="https://me:p%40ss@app.example.org/a?b=c#d", name="a")

    assert check.url == "https://app.example.org/a?b=c"
    assert check.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert check.place == "https://app.example.org/a"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"header": {}}, '"header"; known are name'),
        ({"url": ""}, 'has no "url"'),
        ({"url": "ftp://a/b"}, "does not begin with http"),
        ({"url": "https://a b/"}, "has spaces"),
        ({"url": "https://a:b/"}, "the url is none"),
        ({"status": "200"}, '"status" is str'),
        ({"status": True}, '"status" is bool'),
        ({"timeout_s": 0}, '"timeout_s" is 0'),
        ({"within_s": -1}, '"within_s" is -1'),
        ({"json": {}, "body": ""}, 'both "json" and "body"'),
        ({"json": object()}, "cannot be written as JSON"),
        ({"method": "GET /"}, "the method is no word"),
        ({"headers": {"A B": "c"}}, "a header's name is no word"),
        ({"headers": {"A": 1}}, 'header "A" is int'),
        ({"headers": {"A": "$LINES"}}, "has a line break"),
        ({"headers": {"A": "€ $TOKEN"}}, "is not Latin-1"),
        ({"headers": {"A": "$NONE"}}, "needs the environment variable NONE"),
    ],
)
def test_says_what_is_wrong_with_a_check(given: Any, told: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(**given)

    assert told in caught.value.message
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("given", [{}, [1], [{"url": URL}, {"url": URL}]])
def test_says_what_is_wrong_with_the_list(given: Any) -> None:
    with pytest.raises(Refused, match="SMOKE_CHECKS"):
        parse_smoke_checks(given, {})


@pytest.mark.parametrize(
    ("given", "answer", "problem"),
    [
        ({}, Answer(status=200, body=b""), ""),
        ({"status": 204}, Answer(status=204, body=b""), ""),
        ({}, Answer(status=500, body=b"s3cret"), "answers 500, and 200 is expected"),
        (
            {},
            Answer(status=302, body=b"", location="https://u:p@b/login?next=a"),
            "answers 302 to https://b/login, and 200 is expected",
        ),
        ({"contains": "ü"}, Answer(status=200, body="ü".encode()), ""),
        (
            {"contains": "ok"},
            Answer(status=200, body=b"no"),
            'answers without the text "ok"',
        ),
        ({"stream": True}, Answer(status=200, body=b""), "ends without a byte"),
    ],
)
def test_judges_an_answer(given: Any, answer: Answer, problem: str) -> None:
    assert find_problem(parse(**given), answer) == problem


def test_a_redirect_does_not_repeat_a_secret() -> None:
    check = parse(url="https://${HOST}/$TOKEN")
    answer = Answer(status=301, body=b"", location="/%733cret/")

    assert find_problem(check, answer) == "answers 301, and 200 is expected"
