"""The recipe of the docs: a backup restored by the client tools, without dbops."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from dbops.core.target import Target
from dbops.operations.backup.backup import take_backup
from dbops.operations.backup.proving import fetch_contents
from dbops.postgres.session import build_environment
from dbops.postgres.tools import ClientTools
from tests.operations.conftest import drop_database, fetch_value

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up-and-restore.md"
NEEDED = ("bash", "jq", "zstd")
LIMIT_S = 120


def read_recipe() -> str:
    chapter = PAGE.read_text().split("### Restore without dbops")[1]
    return chapter.split("```text\n")[1].split("```")[0]


def test_the_recipe_restores_every_row_and_the_schema(
    filled: Target,
    storage: str,
    tools: ClientTools,
    tmp_path: Path,
) -> None:
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        pytest.skip(f"install {', '.join(missing)}")
    location = Path(take_backup(filled, storage=storage).location)
    # Nothing is written beside the backup: it may be on a disk that cannot be.
    place = tmp_path / "copy"
    shutil.copytree(location, place)
    name = f"recipe_{secrets.token_hex(4)}"
    assert "NEW" in read_recipe()
    done = subprocess.run(
        ["bash", "-c", read_recipe().replace("NEW", name)],
        cwd=place,
        env={
            **os.environ,
            **build_environment(filled),
            "PATH": f"{tools.directory}:{os.environ['PATH']}",
            "PGDATABASE": "postgres",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    restored = filled.with_database(name)
    try:
        assert done.returncode == 0, done.stderr
        before, after = fetch_contents(filled, 1), fetch_contents(restored, 1)
        assert {key: (each.rows, each.checksum) for key, each in after.items()} == {
            key: (each.rows, each.checksum) for key, each in before.items()
        }
        for query in ("SELECT n FROM totals", "SELECT count(*) FROM good"):
            assert fetch_value(restored, query) == fetch_value(filled, query)
    finally:
        drop_database(filled, name)
