"""What a deployment of several databases passes on to each."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from dbops.management.commands.dbops_deploy import Command
from dbops.management.fleet import NOT_PASSED_ON, rebuild_arguments
from dbops.operations.deploy.processes import find_program


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("", ""),
        ("--wave 2 --canary eu --max-failures 3 --json", ""),
        ("--plan -v 0", "--verbosity=0 --dry-run"),
        ("--no-backup --no-revert", "--no-backup --no-revert"),
        (
            "--allow-drift --lock-wait 5 --allow doctor",
            "--lock-wait=5.0 --allow=drift --allow=doctor",
        ),
        ("--phase expand --cut-off=redo --yes", "--phase=expand --cut-off=redo --yes"),
        ("--pythonpath=-x --traceback", "--pythonpath=-x --traceback"),
    ],
)
def test_what_is_passed_on_means_the_same(given: str, passed: str) -> None:
    parser = Command().create_parser("manage.py", "dbops_deploy")
    options = vars(parser.parse_args(shlex.split(given)))
    rebuilt = list(rebuild_arguments(parser, options, without=NOT_PASSED_ON))
    assert sorted(rebuilt) == sorted(shlex.split(passed))
    again = vars(parser.parse_args(rebuilt))
    kept = options.keys() - set(NOT_PASSED_ON)
    assert {each: again[each] for each in kept} == {
        each: options[each] for each in kept
    }


@pytest.mark.parametrize(
    ("given", "told", "hint"),
    [
        ("--wave 2", "--wave goes with --databases", "--databases all --wave=2"),
        (
            "--database default --databases all",
            "--database does not go with --databases",
            "--databases all",
        ),
        ("--databases nowhere", 'there is no database "nowhere"', "default"),
    ],
)
def test_wrong_use_is_told_in_a_document(given: str, told: str, hint: str) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("dbops_deploy", *shlex.split(given), "--json", stdout=out)
    assert caught.value.returncode == 2
    error = json.loads(out.getvalue())["error"]
    assert error["type"] == "UsageError"
    assert told in error["message"]
    assert hint in error["hint"]


def test_from_python_code_it_is_django_s_own_program_that_is_started() -> None:
    program = find_program(from_command_line=False)
    assert program.arguments[0] == sys.executable
    assert program.arguments[-2:] == ("-m", "django")
    assert program.environment["DJANGO_SETTINGS_MODULE"] == "neuroagent.settings"
    paths = program.environment["PYTHONPATH"].split(os.pathsep)
    assert paths == [each for each in sys.path if each]
