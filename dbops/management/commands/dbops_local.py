"""`manage.py dbops_local`: the embedded server, by hand."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from dbops.errors import DbopsError, UsageError
from dbops.management.base import add_yes_option, build_command_error
from dbops.postgres import embedded
from dbops.postgres.embedded_server import USER, EmbeddedServer

ENGINE = "dbops.embedded"
STATES = {
    "accepting": "runs",
    "starting": "is starting",
    "stopped": "is stopped",
    "missing": "was never started",
}


class Command(BaseCommand):
    """Start, stop, describe or delete the server below `.local/`."""

    help = (
        "Start, stop, describe or delete the embedded PostgreSQL server that is used "
        "without a DATABASE_URL. It starts by itself when a connection is needed and "
        "stops with the last process that needs it; after `start` it runs until "
        "`stop`. `reset` deletes its databases. Exit codes: 0 done, 2 usage, "
        "6 a program is missing or failed, 7 the server does not start or stop."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the action and its options."""
        parser.add_argument("action", choices=("start", "stop", "status", "reset"))
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            metavar="ALIAS",
            help='database of the settings (default: "default")',
        )
        add_yes_option(parser, help_text="reset without asking")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it, and say in one line how the server is doing now."""
        try:
            server, name = find_embedded_server(options["database"])
            match options["action"]:
                case "start":
                    embedded.start(server, database=name)
                case "stop":
                    embedded.stop(server)
                case "reset":
                    self._confirm(server, yes=options["yes"])
                    embedded.reset(server)
            text = describe_server(server)
        except DbopsError as error:
            raise build_command_error(error) from error
        self.stdout.write(text)

    def _confirm(self, server: EmbeddedServer, *, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(
                f'this deletes every database in "{server.data}", and there is no '
                "terminal to ask on",
                hint="manage.py dbops_local reset --yes",
            )
        self.stderr.write(
            f"This deletes every database in {server.data}.\nType yes to go on: ",
            ending="",
            style_func=str,
        )
        self.stderr.flush()
        if input().strip() != "yes":
            raise UsageError("nothing was deleted", hint="answer yes, or add --yes")


def find_embedded_server(alias: str) -> tuple[EmbeddedServer, str]:
    """Return the server of a database of the settings, and the database's name.

    Raises:
        UsageError: there is no such database, or it lives on another server.
    """
    if alias not in connections:
        raise UsageError(
            f'the settings have no database "{alias}"',
            hint=f"--database {' or '.join(connections)}",
        )
    settings_dict = connections.settings[alias]
    if settings_dict["ENGINE"] != ENGINE:
        raise UsageError(
            f'database "{alias}" is not on the embedded server',
            hint="unset DATABASE_URL (also in .env) to work on it",
        )
    directory = settings_dict["OPTIONS"]["embedded_directory"]
    return embedded.find_server(directory), settings_dict["NAME"]


def describe_server(server: EmbeddedServer) -> str:
    """Return one sentence on the server, and how to reach it while it runs."""
    status = embedded.fetch_status(server)
    text = f"PostgreSQL {server.version} in {server.data} {STATES[status.state]}"
    if status.state != "accepting":
        return f"{text}."
    until = (
        "until `manage.py dbops_local stop`"
        if status.keeps_running
        else "while a process uses it"
    )
    process = f" (process {status.pid})" if status.pid else ""
    return (
        f"{text}{process}, {until}.\n"
        f"psql --host={server.socket_directory} --username={USER} DATABASE"
    )
