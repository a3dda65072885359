"""One step of a pull: make a project's database, or pull it without the project.

python -m tests.third_party.pull_worker migrate|score
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import django
from django.core.management import call_command

from dbops.operations.context import build_context
from tests.pulling import score

if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "migrate":
        call_command("migrate", verbosity=0, skip_checks=True)
    else:
        sys.stdout.write(json.dumps(asdict(score(build_context("default")))))
