"""Django's PostgreSQL backend on a server that starts when it is first needed.

Reading the settings, `check`, `--help` and completion start nothing; the first
connection does.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.utils import OperationalError

from dbops.embedded.client import DatabaseClient
from dbops.errors import DbopsError
from dbops.postgres.embedded import EmbeddedServer, ensure_running, find_server

OPTION = "embedded_directory"


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the embedded server."""

    client_class = DatabaseClient

    def __init__(
        self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS
    ) -> None:
        """Put the socket's directory where dbshell and others look for it."""
        self.server = find_configured_server(settings_dict, alias)
        parameters = self.server.build_parameters("")
        super().__init__(
            {
                **settings_dict,
                "HOST": parameters["host"],
                "PORT": parameters["port"],
                "USER": parameters["user"],
            },
            alias,
        )

    def get_connection_params(self) -> dict[str, Any]:
        """Return libpq's parameters, of a server that accepts connections.

        Raises:
            DbopsError: it cannot be made or started.
        """
        self.ensure_server()
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop(OPTION, None)
        return parameters

    def connect(self) -> None:
        """Connect; what keeps the server from starting is a database error here."""
        try:
            super().connect()
        except DbopsError as error:
            raise OperationalError(f"{error.message}\n{error.hint}") from error

    def ensure_server(self) -> None:
        """Start the server, with the database that the settings name."""
        name = self.settings_dict["NAME"]
        # Others, of tests or of a restore, are made by those who need them.
        configured = settings.DATABASES.get(self.alias, {}).get("NAME")
        ensure_running(self.server, database=name if name == configured else None)


def find_configured_server(settings_dict: dict[str, Any], alias: str) -> EmbeddedServer:
    """Return the server of a DATABASES entry.

    Raises:
        ImproperlyConfigured: the entry names no directory, or no version there is.
    """
    directory = settings_dict["OPTIONS"].get(OPTION)
    if not directory:
        raise ImproperlyConfigured(
            f'DATABASES["{alias}"]["OPTIONS"]["{OPTION}"] is missing: the directory '
            "where the embedded server keeps its files"
        )
    try:
        return find_server(directory)
    except DbopsError as error:
        raise ImproperlyConfigured(f"{error.message}; {error.hint}") from error
