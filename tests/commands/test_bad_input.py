"""What bad input gets: one message with the next step, and the right exit code.

Each case is a real process, run with --json: stdout has to be one document that says
the same as stderr.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dbops.core.target import Target
from tests.databases import (
    ROLE_PASSWORD,
    connect,
    temporary_database,
    temporary_role,
)
from tests.lab import Outcome
from tests.processes import build_url, run_manage, start, wait_until

SECRET = ROLE_PASSWORD
MIGRATION = "0002_add_indexes_to_threads_and_messages"


@pytest.fixture(scope="module")
def database(django_db_blocker: Any) -> Iterator[Target]:
    """An empty database, that no case here changes."""
    with django_db_blocker.unblock(), temporary_database() as target:
        yield target


def require_one_message(outcome: Outcome, *, unsaid: str = SECRET) -> Any:
    """Check what holds for every failure, and return the document's error."""
    assert "Traceback" not in outcome.err, outcome.err
    document = json.loads(outcome.out)
    assert document["ok"] is False
    assert document["exit_code"] == outcome.code
    assert document["command"].startswith("dbops_")
    error = document["error"]
    assert error.keys() == {"type", "message", "hint"}
    assert error["hint"], error
    assert error["message"] in outcome.err
    assert unsaid not in outcome.out + outcome.err
    return error


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that is wrong, and what is said to it."""

    url: Callable[[Target], str] = build_url
    command: tuple[str, ...] = ("dbops_status",)
    environment: Mapping[str, str] = field(default_factory=dict)
    code: int
    type: str
    told: str
    hint: str


def url(text: str) -> Callable[[Target], str]:
    return lambda _target: text


CASES = {
    "no URL": Case(
        url=url("nonsense"),
        code=2,
        type="UsageError",
        told='begins with "no scheme"',
        hint=".env.example",
    ),
    "another kind of database": Case(
        url=url(f"mysql://root:{SECRET}@127.0.0.1/app"),
        code=2,
        type="UsageError",
        told='begins with "mysql", and this project is for PostgreSQL',
        hint=".env.example",
    ),
    "a URL without a database": Case(
        url=url(f"postgres://root:{SECRET}@127.0.0.1"),
        code=2,
        type="UsageError",
        told="names no database; use postgres://user:password@host:5432/name",
        hint=".env.example",
    ),
    "a port that is no number": Case(
        url=url(f"postgres://root:{SECRET}@127.0.0.1:five/app"),
        code=2,
        type="UsageError",
        told="Port could not be cast to integer value as 'five'",
        hint=".env.example",
    ),
    "an option that libpq does not know": Case(
        url=url(f"postgres://root:{SECRET}@127.0.0.1/app?nonsense=1"),
        code=7,
        type="ServerFailed",
        told='"nonsense"',
        hint="check DATABASE_URL",
    ),
    "a setting that is no number": Case(
        environment={"DBOPS_LOCK_TIMEOUT_S": "soon"},
        code=2,
        type="UsageError",
        told='DBOPS_LOCK_TIMEOUT_S is "soon", and not a number of seconds',
        hint=".env.example",
    ),
    "a setting that is no JSON": Case(
        environment={"DBOPS_SMOKE_CHECKS": f"[{SECRET}"},
        code=2,
        type="UsageError",
        told="DBOPS_SMOKE_CHECKS is no JSON: Expecting value: line 1 column 2",
        hint=".env.example",
    ),
    "a server that is down": Case(
        url=lambda _: f"postgres://root:{SECRET}@127.0.0.1:{find_free_port()}/app",
        code=7,
        type="ServerFailed",
        told='cannot connect to database "default" (app on 127.0.0.1:',
        hint="start the server, or check host and port in DATABASE_URL",
    ),
    "a socket that is not there": Case(
        url=url(f"postgres://root:{SECRET}@%2Fnonexistent/app"),
        code=7,
        type="ServerFailed",
        told='cannot connect to database "default" (app on /nonexistent:5432)',
        hint="start the server, or check host and port in DATABASE_URL",
    ),
    "a host that does not exist": Case(
        url=url(f"postgres://root:{SECRET}@nowhere.invalid/app"),
        code=7,
        type="ServerFailed",
        told="nowhere.invalid",
        hint="check the host in DATABASE_URL",
    ),
    "a database that does not exist": Case(
        url=lambda target: build_url(target, dbname="no such"),
        code=7,
        type="ServerFailed",
        told='database "no such" does not exist',
        hint="check the names in DATABASE_URL, or create what is missing: createdb",
    ),
    "an unknown alias": Case(
        command=("dbops_status", "--database", "other"),
        code=2,
        type="UsageError",
        told='there is no database "other" in the settings',
        hint="use --database with one of: default",
    ),
    "an unknown option": Case(
        command=("dbops_deploy", "--force"),
        code=2,
        type="UsageError",
        told="unrecognized arguments: --force",
        hint="manage.py dbops_deploy --help",
    ),
    "an option's value": Case(
        command=("dbops_deploy", "--lock-wait", "soon"),
        code=2,
        type="UsageError",
        told="invalid float value: 'soon'",
        hint="manage.py dbops_deploy --help",
    ),
    "a pid that is no number": Case(
        command=("dbops_locks", "--terminate", "everybody"),
        code=2,
        type="UsageError",
        told="argument --terminate: invalid int value: 'everybody'",
        hint="manage.py dbops_locks --help",
    ),
    "a session that does not exist": Case(
        command=("dbops_locks", "--terminate", "1", "--yes"),
        code=2,
        type="UsageError",
        told="there is no session 1 on this server",
        hint="manage.py dbops_locks",
    ),
    "many reports in one document": Case(
        command=("dbops_locks", "--watch"),
        code=2,
        type="UsageError",
        told="--json writes one document, and --watch many reports",
        hint="manage.py dbops_locks --json",
    ),
    "a missing argument": Case(
        command=("dbops_resolve", "neuroagent"),
        code=2,
        type="UsageError",
        told="the following arguments are required: NAME",
        hint="manage.py dbops_resolve --help",
    ),
    "nowhere to go back to": Case(
        command=("dbops_rollback", "neuroagent"),
        code=2,
        type="UsageError",
        told="say where to go back to: APP and NAME, or --to-deployment ID",
        hint="manage.py dbops_rollback APP zero",
    ),
    "an unknown app": Case(
        command=("dbops_rollback", "nonsense", "0001", "--yes"),
        code=2,
        type="UsageError",
        told='there is no app "nonsense" with migrations',
        hint="use one of: admin, auth, contenttypes, dbops, neuroagent",
    ),
    "an unknown migration": Case(
        command=("dbops_rollback", "neuroagent", "0077", "--yes"),
        code=2,
        type="UsageError",
        told='app "neuroagent" has no migration "0077"',
        hint=MIGRATION,
    ),
    "a migration that is not applied": Case(
        command=("dbops_rollback", "neuroagent", "0002", "--yes"),
        code=2,
        type="UsageError",
        told=f'migration "neuroagent.{MIGRATION}" is not applied',
        hint="manage.py dbops_status",
    ),
    "a change without a terminal": Case(
        command=("dbops_rollback", "neuroagent", "zero"),
        code=2,
        type="UsageError",
        told='this changes database "dbops_test_',
        hint="look first with --dry-run, then run the command again with --yes",
    ),
    "no backup at all": Case(
        command=("dbops_restore", "latest", "--into", "new", "--yes"),
        code=2,
        type="UsageError",
        told='there is no backup of "dbops_test_',
        hint="manage.py dbops_backup",
    ),
    "backup storage below a file": Case(
        command=("dbops_backup", "--storage", f"{__file__}/backups"),
        code=4,
        type="Refused",
        told=f'cannot write to backup storage "{__file__}/backups": "{__file__}" is '
        "not a directory",
        hint="name a directory that this user may write to",
    ),
    "a deployment whose backup has no place": Case(
        command=("dbops_deploy",),
        environment={"DBOPS_BACKUP_STORAGE": f"{__file__}/backups"},
        code=4,
        type="Refused",
        told=f'cannot write to backup storage "{__file__}/backups": "{__file__}" is '
        "not a directory",
        hint="name a directory that this user may write to",
    ),
    "backup storage of a kind that is not known": Case(
        command=("dbops_backup", "--storage", "ftp://host/backups"),
        code=2,
        type="UsageError",
        told='backup storage "ftp://" is not supported',
        hint="name another one with --storage",
    ),
    "a number of jobs": Case(
        command=("dbops_backup", "--jobs", "0"),
        code=2,
        type="UsageError",
        told="0 is no number of jobs",
        hint="--jobs",
    ),
    "a scratch server's URL": Case(
        command=("dbops_deploy",),
        environment={"DBOPS_SCRATCH_URL": f"postgres://a:{SECRET}@[h/"},
        code=2,
        type="UsageError",
        told='DBOPS["SCRATCH_URL"] cannot be read',
        hint="use postgres://",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_says_what_is_wrong_and_what_to_do(
    database: Target, tmp_path: Path, name: str
) -> None:
    case = CASES[name]

    outcome = run_manage(
        *case.command,
        "--json",
        url=case.url(database),
        environment={"DBOPS_BACKUP_STORAGE": str(tmp_path)} | dict(case.environment),
        logs=tmp_path / "logs",
    )

    error = require_one_message(outcome)
    assert (outcome.code, error["type"]) == (case.code, case.type)
    assert case.told in error["message"]
    assert case.hint in error["hint"]
    assert fetch_tables(database) == []


def fetch_tables(target: Target) -> list[str]:
    with connect(target) as session:
        rows = session.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows]


def test_people_get_the_same_without_a_document(
    database: Target, tmp_path: Path
) -> None:
    outcome = run_manage(
        *("dbops_rollback", "nonsense", "zero", "--yes"),
        url=build_url(database),
        logs=tmp_path / "logs",
    )

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err == (
        'UsageError: there is no app "nonsense" with migrations\n'
        "  Next: use one of: admin, auth, contenttypes, dbops, neuroagent, sessions\n"
    )


def test_a_wrong_password_is_not_repeated(database: Target, tmp_path: Path) -> None:
    if not database.parameters.get("password"):
        pytest.skip("this server asks for no password; .ci/run has one that does")

    outcome = run_manage(
        *("dbops_status", "--json"),
        url=build_url(database, password=SECRET),
        logs=tmp_path / "logs",
    )

    error = require_one_message(outcome)
    assert (outcome.code, error["type"]) == (7, "ServerFailed")
    assert "password authentication failed for user" in error["message"]
    assert error["hint"] == "check the password in DATABASE_URL"


def test_no_argument_of_any_process_holds_the_password(
    database: Target, tmp_path: Path
) -> None:
    """Neither dbops's own nor those of the tools that it starts."""
    password = database.parameters.get("password") or SECRET
    tool = tmp_path / "tools" / "pg_dump"
    tool.parent.mkdir()
    os.mkfifo(tmp_path / "gate")
    tool.write_text(
        "#!/bin/sh\n"
        'case "$*" in --version) echo "pg_dump (PostgreSQL) 99.1"; exit ;; esac\n'
        'case "$*" in *--snapshot=*) ;; *) exit 1 ;; esac\n'
        f"touch {tmp_path}/reached\nread _ <{tmp_path}/gate\n"
        "echo 'pg_dump: error: out of luck' >&2; exit 3\n"
    )
    tool.chmod(0o755)
    (tool.parent / "pg_restore").symlink_to(tool)
    with start(
        ["dbops_backup", "--json", "--storage", str(tmp_path / "backups")],
        directory=Path(__file__).parents[2],
        environment={
            "DATABASE_URL": build_url(database, password=password),
            "DBOPS_PG_BIN": str(tool.parent),
        },
        logs=tmp_path / "logs",
    ) as running:
        wait_until((tmp_path / "reached").exists, "pg_dump", while_runs=running)
        arguments = read_arguments()
        (tmp_path / "gate").write_text("go\n")
        outcome = running.finish()

    assert any(str(tool) in each for each in arguments)
    assert not [each for each in arguments if password in each]
    error = require_one_message(outcome, unsaid=password)
    assert (outcome.code, error["type"]) == (6, "ToolFailed")
    assert error["message"].endswith("exit code 3: pg_dump: error: out of luck")
    assert not list((tmp_path / "backups").glob("*/*"))


def read_arguments() -> list[str]:
    """Return the command lines of all processes that this user may see."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(
                entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
        except OSError:
            continue
    return found


@pytest.mark.parametrize("version", [None, "9.6.24"])
def test_client_tools_that_are_missing_or_too_old_are_named(
    database: Target, tmp_path: Path, version: str | None
) -> None:
    """The well-known directories are not looked at, by a settings module that says so.

    A machine without client tools cannot be had otherwise: this one has the server's.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    if version:
        for name in ("pg_dump", "pg_restore"):
            (tools / name).write_text(
                f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n'
            )
            (tools / name).chmod(0o755)
    (tmp_path / "bare_settings.py").write_text(
        "from dbops.postgres import tools\n"
        "tools.VERSIONED_DIRECTORIES = ()\n"
        "tools.find_wheel_directories = lambda: []\n"
        "from neuroagent.settings import *\n"
    )

    outcome = run_manage(
        *("dbops_deploy", "--json"),
        url=build_url(database),
        environment={
            "DJANGO_SETTINGS_MODULE": "bare_settings",
            "PYTHONPATH": str(tmp_path),
            "PATH": str(tools),
            "DBOPS_PG_BIN": str(tools),
            "DBOPS_BACKUP_STORAGE": str(tmp_path / "backups"),
        },
        logs=tmp_path / "logs",
    )

    error = require_one_message(outcome)
    found = f"pg_dump {version} ({tools})" if version else "none"
    assert (outcome.code, error["type"]) == (6, "ToolFailed")
    assert "pg_dump and pg_restore" in error["message"]
    assert error["message"].endswith(f"found: {found}")
    assert "apt-get install postgresql-client-" in error["hint"]
    assert fetch_tables(database) == []


def test_ctrl_c_while_the_settings_are_read(database: Target, tmp_path: Path) -> None:
    (tmp_path / "slow_settings.py").write_text("raise KeyboardInterrupt")

    outcome = run_manage(
        *("dbops_deploy", "--json"),
        url=build_url(database),
        environment={
            "DJANGO_SETTINGS_MODULE": "slow_settings",
            "PYTHONPATH": str(tmp_path),
        },
        logs=tmp_path / "logs",
    )

    error = require_one_message(outcome)
    assert (outcome.code, error["type"]) == (5, "Interrupted")


def test_names_the_right_to_create_databases(database: Target, tmp_path: Path) -> None:
    with temporary_role(database, "GRANT ALL ON SCHEMA public TO {role}") as target:
        outcome = run_manage(
            *("dbops_deploy", "--json", "--no-backup"),
            url=build_url(target),
            logs=tmp_path / "logs",
        )

    error = require_one_message(outcome)
    role = target.parameters["user"]
    assert (outcome.code, error["type"]) == (4, "Refused")
    assert f'role "{role}" may not create the scratch database' in error["message"]
    assert f'ALTER ROLE "{role}" CREATEDB' in error["hint"]
    assert fetch_tables(database) == []


def test_names_the_right_on_the_schema(tmp_path: Path, django_db_blocker: Any) -> None:
    with (
        django_db_blocker.unblock(),
        temporary_database() as database,
        temporary_role(
            database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}", "CREATEDB"
        ) as target,
    ):
        outcome = run_manage(
            *("dbops_deploy", "--json"),
            url=build_url(target),
            environment={"DBOPS_BACKUP_STORAGE": str(tmp_path)},
            logs=tmp_path / "logs",
        )
        tables = fetch_tables(database)

    error = require_one_message(outcome)
    assert (outcome.code, error["type"]) == (4, "Refused")
    role = target.parameters["user"]
    told = f'role "{role}" may not create tables in schema "public"'
    assert told in error["message"].replace('""', '"')
    assert tables == []


def test_names_the_table_that_may_not_be_read(
    tmp_path: Path, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock(), temporary_database() as database:
        with connect(database) as session:
            session.execute("CREATE TABLE closed (id int)")
        with temporary_role(database, "SELECT 1", "CREATEDB") as target:
            outcome = run_manage(
                *("dbops_backup", "--json", "--storage", str(tmp_path / "backups")),
                url=build_url(target),
                logs=tmp_path / "logs",
            )

    error = require_one_message(outcome)
    assert (outcome.code, error["type"]) == (4, "Refused")
    assert "permission denied for table closed" in error["message"]
    assert "pg_read_all_data" in error["hint"]
    assert not list((tmp_path / "backups").glob("*/*"))
