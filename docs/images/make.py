"""Draw docs/images/deploy.svg: real commands, run in a throw-away copy of the checkout.

    .venv/bin/python docs/images/make.py

The commands run on an embedded server of their own. What they say is shown as it is,
except for this machine's name and paths, which become laptop and /srv/neuroagent.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

CHECKOUT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).with_name("deploy.svg")
PARTS = ("manage.py", "dbops", "neuroagent")
SHOWN = "/srv/neuroagent"
WIDTH = 100
TIMEOUT_S = 120
PENDING = 3

PREPARE = (
    "dbops_deploy --verbosity 0",
    "neuroagent_demo --threads 500 --verbosity 0",
    "dbops_rollback neuroagent 0001 --yes --verbosity 0",
)
SHOW = (
    "dbops_deploy --verbosity 0",
    "dbops_rollback neuroagent 0001 --yes",
    "dbops_status",
)


@contextmanager
def open_copy() -> Iterator[Path]:
    """Copy the project to a place where nothing can be lost."""
    with tempfile.TemporaryDirectory(prefix="neuroagent-") as name:
        for part in PARTS:
            source = CHECKOUT / part
            if source.is_dir():
                shutil.copytree(
                    source,
                    Path(name, part),
                    ignore=shutil.ignore_patterns("__pycache__"),
                )
            else:
                shutil.copy(source, name)
        try:
            yield Path(name)
        finally:
            run(Path(name), "dbops_local reset --yes")


def run(copy: Path, command: str) -> str:
    """Run a management command and return all that it says, in colour."""
    done = subprocess.run(
        [sys.executable, "manage.py", *shlex.split(command), "--force-color"],
        cwd=copy,
        env={
            **os.environ,
            "COLUMNS": str(WIDTH),
            "DATABASE_URL": "",
            "LOGNAME": "ada",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode not in (0, PENDING):
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout}")
    said = done.stdout.replace(sys.prefix, f"{SHOWN}/.venv")
    said = said.replace(f" on {socket.gethostname()}", " on laptop")
    return said.replace(str(copy), SHOWN)


def draw(copy: Path) -> str:
    """Return the picture of the commands and of what they say."""
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, highlight=False
    )
    for command in SHOW:
        console.print(Text.assemble(("$ ", "bold"), (f"manage.py {command}", "bold")))
        console.print(Text.from_ansi(run(copy, command).rstrip()))
        console.print()
    # A picture in a page loads no fonts from elsewhere.
    template = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S)
    svg = console.export_svg(
        title="neuroagent", code_format=template, unique_id="deploy"
    )
    return re.sub(r"[ \t]+$", "", svg, flags=re.M)


def main() -> None:
    """Draw it."""
    with open_copy() as copy:
        for command in PREPARE:
            run(copy, command)
        PICTURE.write_text(draw(copy), encoding="utf-8")


if __name__ == "__main__":
    main()
