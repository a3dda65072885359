"""A second opinion on the SQL of migrations: squawk, where it is installed.

Source: https://squawkhq.com/docs/cli
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dbops.core.finding import Finding, Level
from dbops.core.hazards.judge import Step
from dbops.core.migration import MigrationId
from dbops.errors import ToolFailed

PROGRAM = "squawk"
TIMEOUT_S = 60
FINDINGS = 1
"""Its exit code where it has found something."""


def find_squawk() -> str:
    """Return the program, beside this Python or on the path.

    Raises:
        ToolFailed: it is not installed.
    """
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if not found:
        raise ToolFailed("squawk is not installed", hint="pip install squawk-cli")
    return found


def run_squawk(
    migrations: Mapping[MigrationId, Sequence[Step]],
) -> Iterator[Finding]:
    """Yield what squawk says of the statements of each migration.

    Raises:
        ToolFailed: it is not installed, or fails.
    """
    program = find_squawk()
    for migration, steps in migrations.items():
        statements = [each for each in steps if not each.is_python]
        if not statements:
            continue
        told = _run(program, statements)
        for each in told:
            yield Finding(
                id=f"squawk.{each['rule_name']}",
                level=Level.INFO,
                message=f'"{migration}": {each["message"]}',
                object=str(migration),
                hint=each.get("help") or "",
            )


def _run(program: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
    version = max(each.facts.version for each in steps)
    command = [program, "--reporter", "Json", "--pg-version", str(version)]
    if steps[0].transaction is not None:
        command.append("--assume-in-transaction")
    script = "".join(f"{each.sql.rstrip().rstrip(';')};\n" for each in steps)
    done = subprocess.run(
        command,
        input=script,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode not in (0, FINDINGS):
        raise ToolFailed(
            f"squawk ended with exit code {done.returncode}: {done.stderr.strip()}",
            hint="pip install --upgrade squawk-cli",
        )
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found
