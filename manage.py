#!/usr/bin/env python
"""Run a Django management command of the neuroagent project."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbops.errors import DbopsError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from dbops.errors import Interrupted, UsageError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(tell(UsageError(str(error), hint="see .env.example")))
    except KeyboardInterrupt:
        # Once they are at work, the dbops commands say themselves what became of it.
        sys.exit(tell(Interrupted("interrupted", hint="run the command again")))


def tell(failure: DbopsError) -> int:
    """Write the message, and with --json the document; return the exit code."""
    from dbops.render.json import render_error as render_json
    from dbops.render.text import render_error

    if "--json" in sys.argv:
        sys.stdout.write(render_json(sys.argv[1], "default", failure) + "\n")
    sys.stderr.write(f"{type(failure).__name__}: {render_error(failure)}\n")
    return failure.exit_code


if __name__ == "__main__":
    main()
