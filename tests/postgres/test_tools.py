"""The client tools: which one is taken, and how it is run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from dbops.core.target import Target
from dbops.errors import ToolFailed
from dbops.postgres.session import build_environment, build_target, open_session
from dbops.postgres.tools import (
    demands_ssl,
    find_directories,
    find_tools,
    find_wheel_directories,
    pin_target,
    run_tool,
)
from tests.operations.conftest import wait_until

ANY = Target(alias="a", parameters={"dbname": "a"})
SH = Path("/bin/sh")


@pytest.fixture
def make_tools(tmp_path: Path) -> Callable[[str], Path]:
    """Make a directory with tools that say they are of a version."""

    def make(version: str) -> Path:
        directory = tmp_path / version / "bin"
        directory.mkdir(parents=True)
        for name in ("pg_dump", "pg_restore"):
            script = directory / name
            script.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
            script.chmod(0o755)
        return directory

    return make


def test_takes_the_oldest_that_is_new_enough(make_tools: Callable[[str], Path]) -> None:
    places = [make_tools(version) for version in ("18.4", "15.2", "16.14", "16.1")]
    found = find_tools(ANY, least_major=16, directories=places)
    assert (found.version, found.major) == ("16.14", 16)
    assert str(found) == f"pg_dump 16.14 ({places[2]})"


def test_takes_the_preferred_directory_when_it_is_new_enough(
    make_tools: Callable[[str], Path],
) -> None:
    old, fit, new = (make_tools(version) for version in ("14.9", "16.1", "19beta1"))

    def find(pg_bin: Path) -> Path:
        return find_tools(
            ANY, least_major=15, pg_bin=str(pg_bin), directories=[fit]
        ).directory

    assert find(new) == new
    assert find(old) == fit
    assert find(Path("/nowhere")) == fit


def test_names_what_was_found_and_what_is_needed(
    make_tools: Callable[[str], Path],
) -> None:
    old = make_tools("15.2")
    with pytest.raises(ToolFailed) as caught:
        find_tools(ANY, least_major=18, directories=[old, Path("/nowhere")])
    assert caught.value.message == (
        "pg_dump and pg_restore 18 or later are needed for this server; "
        f"found: pg_dump 15.2 ({old})"
    )
    assert caught.value.hint is not None
    assert "apt-get install postgresql-client-18" in caught.value.hint
    assert caught.value.exit_code == 6


def test_the_servers_own_major_is_enough_and_a_later_one_needs_more() -> None:
    """With the real tools of this machine, against the real server."""
    parameters = connections["default"].get_connection_params()
    target = build_target("default", parameters).with_database("postgres")
    with open_session(target, purpose="test") as connection:
        major = connection.info.server_version // 10000
    found = find_tools(target, least_major=major)
    assert found.major >= major
    with pytest.raises(ToolFailed, match=r"found: pg_dump \d+"):
        find_tools(target, least_major=99)


def test_debians_older_tools_are_not_used_for_the_wheels_server() -> None:
    debian = Path("/usr/lib/postgresql/15/bin")
    if not (debian / "pg_dump").exists():
        pytest.skip("no PostgreSQL 15: apt-get install postgresql-client-15")
    with pytest.raises(ToolFailed, match="found: pg_dump 15"):
        find_tools(ANY, least_major=18, directories=[debian])
    wheel = find_wheel_directories()
    assert find_tools(ANY, least_major=18, directories=[debian, *wheel]).major == 18


def test_a_directory_without_pg_restore_or_that_does_not_run_is_passed_over(
    make_tools: Callable[[str], Path],
) -> None:
    half, broken, strange, good = map(make_tools, ("15.1", "15.2", "15.3", "16.0"))
    (half / "pg_restore").unlink()
    (broken / "pg_dump").write_text("#!/nowhere\n")
    (strange / "pg_dump").write_text("#!/bin/sh\necho 15\n")
    places = [half, broken, strange, good]
    assert find_tools(ANY, least_major=15, directories=places).directory == good


def test_passes_over_debians_wrapper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pg_wrapper").write_text("")
    (tmp_path / "pg_dump").symlink_to("pg_wrapper")
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    assert tmp_path not in list(find_directories(ANY))
    assert Path("/nowhere") in list(find_directories(ANY))


@pytest.mark.parametrize(
    ("parameters", "demanded"),
    [
        ({"host": "db", "sslmode": "require"}, True),
        ({"hostaddr": "::1", "sslmode": "verify-full"}, True),
        ({"host": "db", "sslmode": "prefer"}, False),
        ({"host": "db"}, False),
        ({"host": "/run", "sslmode": "require"}, False),
        ({"sslmode": "require"}, False),
    ],
)
def test_the_wheel_is_left_out_where_ssl_is_demanded(
    parameters: dict[str, str], demanded: bool
) -> None:
    target = Target(alias="a", parameters=parameters)
    assert demands_ssl(target) is demanded
    wheel = find_wheel_directories()
    assert wheel
    assert set(wheel).isdisjoint(find_directories(target)) is demanded


def test_both_pipes_are_read_while_they_fill() -> None:
    lines: list[str] = []
    sizes: list[int] = []
    fill = "head -c 300000 /dev/zero; yes x | head -c 300000 >&2"
    script = f"for i in 1 2 3 4; do {fill}; done"
    run_tool(
        SH,
        ["-c", script],
        on_line=lines.append,
        on_output=lambda chunk: sizes.append(len(chunk)),
    )
    assert len(lines) == 600_000
    assert sum(sizes) == 1_200_000


def test_a_failure_has_the_last_words_without_the_password() -> None:
    target = Target(alias="a", parameters={"dbname": "a", "password": "s3cret"})
    script = (
        "for i in 1 2 3 4 5 6 7 8 9; do echo $i >&2; done;"
        'echo "sh: error: wrong $PGPASSWORD" >&2; printf "no newline" >&2; exit 3'
    )
    with pytest.raises(ToolFailed) as caught:
        run_tool(SH, ["-c", script], target=target)
    assert caught.value.message == (
        "sh failed with exit code 3: sh: error: wrong ******** no newline"
    )


def test_a_tool_killed_by_a_signal_has_failed() -> None:
    with pytest.raises(ToolFailed, match="exit code 137: it said nothing"):
        run_tool(SH, ["-c", "kill -9 $$"])


def test_a_tool_that_is_not_there_has_failed() -> None:
    with pytest.raises(ToolFailed, match="No such file"):
        run_tool(Path("/nowhere/pg_dump"), [])


def test_no_pg_variable_of_ours_reaches_the_tool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGHOST", "PGOPTIONS", "PGSSLMODE", "PGSERVICE"):
        monkeypatch.setenv(name, "wrong")
    target = Target(alias="a", parameters={"dbname": "right", "host": "right"})
    lines: list[str] = []
    run_tool(SH, ["-c", "env >&2"], target=target, on_line=lines.append)
    assert "wrong" not in "".join(lines)
    assert {"PGHOST=right", "PGDATABASE=right"} < set(lines)


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_callback_that_raises_ends_the_tool_and_its_children(
    tmp_path: Path, stubborn: bool
) -> None:
    marker = tmp_path / "children"
    trap = "trap '' TERM;" if stubborn else ""
    script = (
        f"{trap} sh -c '{trap} sleep 600; :' & echo $$ $! > {marker};echo go >&2; wait"
    )

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tool(SH, ["-c", script], on_line=interrupt)
    pids = [int(pid) for pid in marker.read_text().split()]
    assert len(pids) == 2
    # The kernel ends a killed process in its own time.
    wait_until(lambda: all(map(is_gone, pids)), "the children to end")


def is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def test_the_tool_ends_when_the_thread_that_runs_it_does_not_read_on() -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            run_tool(SH, ["-c", "yes"], on_output=fail)
        except ValueError as error:
            failed.append(error)

    def fail(_chunk: bytes) -> None:
        raise ValueError

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert failed


def test_a_pinned_target_leads_to_the_same_session_without_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = connections["default"].get_connection_params()
    target = build_target("default", parameters).with_database("postgres")
    for name, value in build_environment(target).items():
        monkeypatch.setenv(name, value)
    bare = Target(alias="bare", parameters={"dbname": "postgres"})
    with open_session(bare, purpose="test") as connection:
        pinned = pin_target(bare, connection)
        expected = connection.info
        for name in build_environment(target):
            monkeypatch.delenv(name)
        with open_session(pinned, purpose="test") as same:
            assert same.info.port == expected.port
            assert same.info.host == expected.host
            assert same.info.user == expected.user
    assert "client_encoding" not in pinned.parameters
    assert not any(name.startswith("PG") for name in os.environ)
