"""ER diagrams, drawn by Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dbops.core.diagram import write_dot
from dbops.core.relation import Relation
from dbops.errors import Refused, ToolFailed, UsageError

PROGRAMS = ("dot", "gvpack", "neato")
TIMEOUT_S = 300


def draw_diagram(relations: Sequence[Relation], path: Path) -> None:
    """Write an SVG: groups of tied tables beside each other, each laid out by itself.

    Raises:
        UsageError: the file's name does not end in `.svg`.
        ToolFailed: Graphviz is missing, or fails.
        Refused: there is nothing to draw, or the file cannot be written.
    """
    if path.suffix != ".svg":
        raise UsageError(
            f'"{path}" does not end in .svg', hint=f"--diagram {path.stem}.svg"
        )
    if not relations:
        raise Refused("there is no table to draw", hint="manage.py dbops_inspect")
    for name in PROGRAMS:
        if shutil.which(name) is None:
            raise ToolFailed(
                f'a diagram is drawn by Graphviz, and its program "{name}" is missing',
                hint="sudo apt install graphviz (or brew install graphviz), or use "
                "--mermaid",
            )
    graphs = write_dot(relations)
    laid_out = _run(["dot"], "".join(graphs))
    if len(graphs) > 1:
        laid_out = _run(["gvpack", "-m48", "-array"], laid_out)
    svg = _run(["neato", "-n2", "-Tsvg"], laid_out)
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise Refused(f'"{path}" cannot be written: {error.strerror}') from error


def _run(command: Sequence[str], text: str) -> str:
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        told = " ".join(error.stderr.split()) or f"exit code {error.returncode}"
        raise ToolFailed(f'Graphviz\'s "{command[0]}" failed: {told}') from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(
            f'Graphviz\'s "{command[0]}" took more than {TIMEOUT_S} s',
            hint="name one table, for it and its neighbours",
        ) from error
    return done.stdout
