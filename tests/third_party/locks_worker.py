"""What the rules of locks tell of every migration of one project, as one JSON document.

python -m tests.third_party.locks_worker
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import django
from django.db.migrations.loader import MigrationLoader

from dbops.core.hazards.sizes import Sizes
from dbops.operations.check.graph import list_plan
from dbops.operations.check.replay import play_plan
from dbops.operations.context import build_context


def main() -> None:
    """Judge all migrations, Django's own too, as if each table were large."""
    plan = list_plan(MigrationLoader(None, ignore_no_migrations=True))
    judged = [each for each in plan if each.app_label not in ("dbops", "extras")]
    played = play_plan(
        build_context("default"), plan, (), judged, Sizes(tables={}, known=False)
    )
    sys.stdout.write(
        json.dumps(
            {
                "migrations": len(judged),
                "statements": played.statements,
                "failures": [each.message for each in played.files],
                "findings": [asdict(each) for each in played.locks],
            }
        )
    )


if __name__ == "__main__":
    django.setup()
    main()
