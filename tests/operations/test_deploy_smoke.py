"""Requests that show whether the application works, and what runs around them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbops.core.hooks import Hook, HookEvent, HookKind
from dbops.core.smoke import SmokeResult, parse_smoke_checks
from dbops.operations.deploy.hooks import run_hooks
from dbops.operations.deploy.smoke import run_check, run_smoke_checks
from tests.application import Application, serve_application

QUICK = {"timeout_s": 0.3, "within_s": 0}
PATIENT = {"timeout_s": 30, "within_s": 0}
EVENT = HookEvent(
    kind=HookKind.AFTER,
    database="default",
    deployment_id=None,
    state="running",
    applied=(),
)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    with serve_application() as served:
        yield served


def run(application: Application, path: str, **given: Any) -> SmokeResult:
    [check] = parse_smoke_checks(
        [PATIENT | {"name": "a", "url": f"{application.url}{path}"} | given],
        {"TOKEN": "s3cret"},
    )
    return run_check(check)


def test_sends_what_it_is_told_and_takes_the_answer(application: Application) -> None:
    headers = {"authorization": "Bearer $TOKEN"}
    result = run(
        application, "/ask?a=$TOKEN", headers=headers, json={"b": 1}, contains="works"
    )

    assert (result.ok, result.tries, result.problem) == (True, 1, "")
    method, path, sent, body = application.asked[-1]
    assert (method, path, body) == ("POST", "/ask?a=s3cret", b'{"b": 1}')
    assert sent["Authorization"] == "Bearer s3cret"
    assert (sent["Content-Type"], sent["User-Agent"]) == ("application/json", "dbops")


@pytest.mark.parametrize(
    ("path", "given", "problem"),
    [
        ("/?key=$TOKEN", {"status": 404}, "answers 200, and 404 is expected"),
        ("/", {"contains": "well"}, 'answers without the text "well"'),
        ("/moved", {}, "answers 302 to /, and 200 is expected"),
        ("/hang?key=$TOKEN", QUICK, "does not answer in 0.3 s"),
        ("/drip", QUICK, "does not answer in 0.3 s"),
        ("/stream", {"stream": True, "contains": "two"} | QUICK, "in 0.3 s"),
        ("/empty", {"stream": True}, "ends without a byte"),
        ("/silent", {}, "RemoteDisconnected"),
        ("/noise", {}, "does not answer in HTTP: BadStatusLine"),
    ],
)
def test_says_what_is_wrong_and_no_secret(
    application: Application, path: str, given: Any, problem: str
) -> None:
    result = run(application, path, headers={"X": "$TOKEN"}, **given)

    assert not result.ok
    assert problem in result.problem
    assert "s3cret" not in result.problem


@pytest.mark.parametrize("contains", ["", "one"])
def test_the_first_bytes_of_a_stream_are_enough(
    application: Application, contains: str
) -> None:
    assert run(application, "/stream", stream=True, contains=contains).ok


def test_nobody_there_and_no_certificate(application: Application) -> None:
    with serve_application() as gone:
        pass

    assert "cannot be reached" in run(gone, "/").problem
    tls = Application(url=application.url.replace("http:", "https:"))
    assert "cannot be reached" in run(tls, "/").problem


def test_tries_again_until_the_application_is_back(application: Application) -> None:
    now = [0.0]
    application.status = lambda: 200 if now[0] >= 3 else 503

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def try_for(within_s: float) -> SmokeResult:
        now[0] = 0.0
        given = {"name": "a", "url": application.url, "within_s": within_s}
        [check] = parse_smoke_checks([given], {})
        return run_check(check, clock=lambda: now[0], sleep=sleep)

    assert (try_for(10).ok, try_for(10).tries) == (True, 4)
    assert (try_for(2).ok, try_for(2).tries) == (False, 3)
    application.status = lambda: 200


def test_stops_at_the_first_that_fails(application: Application) -> None:
    told: list[str] = []
    urls = ("/", "/moved?a=s3cret", "/")
    checks = parse_smoke_checks(
        [
            PATIENT | {"name": str(number), "url": f"{application.url}{each}"}
            for number, each in enumerate(urls)
        ],
        {},
    )

    results = run_smoke_checks(checks, told.append)

    assert [each.ok for each in results] == [True, False]
    assert told[0] == f"smoke check 0: GET {application.url}/"
    assert "s3cret" not in "".join(told)


# Hooks


def run_hook(*command: str, timeout_s: float = 30) -> tuple[str, list[str]]:
    told: list[str] = []
    hook = Hook(kind=HookKind.AFTER, command=command, timeout_s=timeout_s)
    return run_hooks([hook], HookKind.AFTER, EVENT, told.append), told


def test_a_command_is_told_what_happens_and_tells_what_it_does() -> None:
    problem, told = run_hook("sh", "-c", "echo $DBOPS_EVENT; echo oh >&2; exit 3")

    assert problem == 'hook "sh" (after) failed with exit code 3'
    assert told[:3] == ["hook sh (after)", "  after", "  oh"]


def test_a_command_that_hangs_is_ended_with_its_children() -> None:
    problem, told = run_hook("sh", "-c", "sleep 600 & echo $!; wait", timeout_s=2)

    assert problem.endswith("did not end in 2 s")
    [child] = [int(each) for each in told if each.strip().isdigit()]
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    """Say whether it runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


seen: list[HookEvent] = []
endless = threading.Event()


def note(event: HookEvent) -> None:
    seen.append(event)


def fail(event: HookEvent) -> None:
    raise ValueError(f"not in {event.database}")


def hang(_event: HookEvent) -> None:
    endless.wait(30)


@pytest.mark.parametrize(
    ("name", "timeout_s", "problem"),
    [
        ("note", 30, ""),
        ("fail", 30, "raised ValueError: not in default"),
        ("hang", 0.05, "did not end in 0.05 s, and may still run"),
    ],
)
def test_a_callable_gets_the_event(name: str, timeout_s: float, problem: str) -> None:
    seen.clear()
    endless.clear()
    path = f"{__name__}.{name}"
    hook = Hook(kind=HookKind.AFTER, path=path, timeout_s=timeout_s)

    found = run_hooks([hook], HookKind.AFTER, EVENT, lambda _line: None)

    assert found == (f'hook "{path}" (after) {problem}' if problem else "")
    assert seen == ([EVENT] if name == "note" else [])
    endless.set()


def test_only_hooks_of_one_kind_run_and_none_after_a_failure() -> None:
    hooks = [
        Hook(kind=HookKind.BEFORE, command=("false",)),
        Hook(kind=HookKind.AFTER, command=("true",)),
        Hook(kind=HookKind.AFTER, command=("false",)),
        Hook(kind=HookKind.AFTER, command=("true",)),
    ]
    told: list[str] = []

    assert run_hooks(hooks, HookKind.AFTER, EVENT, told.append)
    assert [each for each in told if each.startswith("hook")] == [
        "hook true (after)",
        "hook false (after)",
    ]
