"""`manage.py dbshell` on the embedded server."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.db.backends.postgresql import client

from dbops.errors import DbopsError
from dbops.postgres.embedded import find_programs, read_version


class DatabaseClient(client.DatabaseClient):
    """psql from PATH, else the one that came with the server."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Return psql's arguments and environment; starts nothing."""
        arguments, environment = super().settings_to_cmd_args_env(
            settings_dict, parameters
        )
        if not shutil.which(arguments[0]):
            programs = find_programs(read_version())
            arguments[0] = str(programs / arguments[0])
        return arguments, environment

    def runshell(self, parameters: Iterable[str]) -> None:
        """Run psql on a server that accepts connections."""
        try:
            self.connection.get_connection_params()
        except DbopsError as error:
            raise CommandError(f"{error.message}\n{error.hint}") from error
        super().runshell(parameters)
