"""The options of a command that takes several databases."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.core.management.base import CommandParser

from dbops.errors import UsageError
from dbops.operations.deploy.members import FleetOptions

FLEET = ("databases", "canary", "wave", "max_failures")
OUTPUT = ("json", "no_color", "force_color")
NOT_PASSED_ON = ("database", *OUTPUT, *FLEET)
NOT_AGAIN = ("database", *OUTPUT, "dry_run", "verbosity", "settings", "pythonpath")


def add_fleet_options(parser: CommandParser) -> None:
    """Declare which databases, and in which order."""
    # So that it is known whether somebody has named one, besides.
    parser.set_defaults(database=None)
    parser.add_argument(
        "--databases",
        metavar="ALIASES",
        help="several databases: a,b,c or all, which leaves replicas out; one after "
        "the other, each in a process of its own, until one fails",
    )
    parser.add_argument(
        "--canary",
        metavar="ALIAS",
        help="with --databases: which goes first, and alone (default: the first)",
    )
    parser.add_argument(
        "--wave",
        type=int,
        default=1,
        metavar="N",
        help="with --databases: so many at a time after the canary (default: 1)",
    )
    parser.add_argument(
        "--max-failures",
        type=int,
        default=1,
        metavar="M",
        help="with --databases: begin no more when so many have failed (default: 1)",
    )


def read_fleet_options(
    parser: CommandParser, options: Mapping[str, Any], *, from_command_line: bool
) -> FleetOptions:
    """Return what was chosen for a fleet.

    Raises:
        UsageError: a single database is named, too.
    """
    if options["named"] is not None:
        raise UsageError(
            "--database does not go with --databases",
            hint=f"use one of them: --databases {shlex.quote(options['databases'])}",
        )
    words = tuple(rebuild_arguments(parser, options, without=NOT_PASSED_ON))
    again = rebuild_arguments(parser, options, without=NOT_AGAIN)
    return FleetOptions(
        databases=options["databases"],
        canary=options["canary"],
        wave=options["wave"],
        max_failures=options["max_failures"],
        dry_run=options["dry_run"],
        arguments=words,
        again=f"manage.py dbops_deploy {shlex.join(again)}",
        from_command_line=from_command_line,
    )


def require_no_fleet(parser: CommandParser, options: Mapping[str, Any]) -> None:
    """Refuse what only a fleet has, where there is none.

    Raises:
        UsageError: there is such an option.
    """
    given = list(rebuild_arguments(parser, options, without={*options} - {*FLEET}))
    if given:
        name = given[0].partition("=")[0]
        raise UsageError(
            f"{name} goes with --databases", hint=f"--databases all {given[0]}"
        )


def rebuild_arguments(
    parser: CommandParser, options: Mapping[str, Any], *, without: Collection[str]
) -> Iterator[str]:
    """Yield the words of a command line that means these options, in short.

    `without` are names of options, as `dry_run`.
    """
    told = set(without)
    for action in parser._actions:  # noqa: SLF001  As Django's call_command does.
        value = options.get(action.dest)
        if (
            action.dest in told
            or action.dest not in options
            or not action.option_strings
            or value == parser.get_default(action.dest)
            or not _means(action, value)
        ):
            continue
        told.add(action.dest)
        name = next(each for each in action.option_strings if each.startswith("--"))
        if action.nargs == 0 and not isinstance(value, list):
            yield name
        elif action.nargs is None and isinstance(value, list):
            yield from (f"{name}={each}" for each in value)
        elif isinstance(value, list):
            yield from (name, *map(str, value))
        else:
            yield f"{name}={value}"


def _means(action: argparse.Action, value: object) -> bool:
    """Say whether it is this one of several options that gives the value."""
    if action.nargs == 0:
        return bool(action.const == value)
    return value is not None
