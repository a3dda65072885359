"""Send the requests of `DBOPS["SMOKE_CHECKS"]`, and look at the answers.

By the standard library: TLS is verified, proxies are those of the environment, and no
redirect is followed, for it might carry the headers to another host.
"""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from urllib.error import URLError

from dbops.conf import Settings
from dbops.core.progress import Progress, silent
from dbops.core.smoke import (
    Answer,
    SmokeCheck,
    SmokeResult,
    find_problem,
    parse_smoke_checks,
)

LONGEST_BODY_BYTES = 1_000_000
"""Further on, no expected text is looked for."""
CHUNK_BYTES = 65_536
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0


def read_smoke_checks(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> tuple[SmokeCheck, ...]:
    """Return the checks of the project.

    Raises:
        Refused: one of them cannot be read, or names a variable that is not set.
    """
    known = os.environ if environment is None else environment
    return parse_smoke_checks(settings.smoke_checks, known)


class _AsTheyCome(urllib.request.HTTPErrorProcessor):
    """Each answer is an answer: no redirect is followed, no status is an error."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        del request
        return response

    https_response = http_response


@cache
def _build_context() -> ssl.SSLContext:
    """Return what verifies certificates; reading those of the system takes a while."""
    return ssl.create_default_context()


def send(check: SmokeCheck, *, clock: Callable[[], float] = time.monotonic) -> Answer:
    """Send one request, and return the answer; of a stream, its beginning.

    Raises:
        OSError, http.client.HTTPException: there is none, or none in time.
    """
    opener = urllib.request.build_opener(
        _AsTheyCome(),
        urllib.request.HTTPSHandler(context=_build_context()),
    )
    opener.addheaders = [("User-Agent", "dbops")]
    request = urllib.request.Request(  # noqa: S310  It is http or https.
        check.url, data=check.body, method=check.method, headers=dict(check.headers)
    )
    deadline = clock() + check.timeout_s
    with opener.open(request, timeout=check.timeout_s) as response:
        body = _read(response, check, lambda: clock() > deadline)
        return Answer(
            status=response.status,
            body=body,
            location=response.headers.get("Location", ""),
        )


def _read(
    response: http.client.HTTPResponse, check: SmokeCheck, is_late: Callable[[], bool]
) -> bytes:
    body = b""
    wanted = check.contains.encode()
    while len(body) < LONGEST_BODY_BYTES:
        part = response.read1(CHUNK_BYTES)
        body += part
        if not part or (check.stream and wanted in body):
            break
        if is_late():
            raise TimeoutError
    return body


def run_check(
    check: SmokeCheck,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> SmokeResult:
    """Try one check until it holds, or its time is over; never raises for an answer."""
    deadline = clock() + check.within_s
    pause_s = FIRST_PAUSE_S
    tries = 0
    while True:
        tries += 1
        started = clock()
        problem = _try(check, clock)
        ended = clock()
        if not problem or ended + pause_s > deadline:
            return SmokeResult(
                name=check.name,
                ok=not problem,
                tries=tries,
                duration_s=ended - started,
                problem=problem and f"{check.method} {check.place} {problem}",
            )
        sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _try(check: SmokeCheck, clock: Callable[[], float]) -> str:
    try:
        return find_problem(check, send(check, clock=clock))
    except (OSError, http.client.HTTPException) as error:
        return _tell(error, check)


def _tell(error: BaseException, check: SmokeCheck) -> str:
    """Return what went wrong without what was sent, or came back."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"does not answer in {check.timeout_s:g} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"has no certificate to trust: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be reached: {cause.strerror}"
    return f"does not answer in HTTP: {type(cause).__name__}"


def run_smoke_checks(
    checks: Iterable[SmokeCheck],
    progress: Progress = silent,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[SmokeResult, ...]:
    """Run them one after the other, up to the first that fails."""
    results = []
    for check in checks:
        progress(f"smoke check {check.name}: {check.method} {check.place}")
        result = run_check(check, clock=clock, sleep=sleep)
        results.append(result)
        if not result.ok:
            progress(f"  {result.problem}")
            break
    return tuple(results)
