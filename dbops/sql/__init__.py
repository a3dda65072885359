"""The queries, one a file; `load` returns the text of one."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

VARIANT = re.compile(r"\.pg(\d+)\.sql$")


@cache
def load(name: str, server_version: int = 0) -> str:
    """Return the query `name` as this server understands it.

    `server_version` is libpq's number (180004). Of the files `name.sql` and
    `name.pg<major>.sql` the one with the highest major up to the server's is taken.
    """
    plain = f"{name}.sql"
    chosen, since = plain, 0
    for file in files(__name__).iterdir():
        variant = VARIANT.search(file.name)
        if variant and file.name == f"{name}{variant[0]}":
            major = int(variant[1])
            if since < major <= server_version // 10000:
                chosen, since = file.name, major
    return files(__name__).joinpath(chosen).read_text(encoding="utf-8")
