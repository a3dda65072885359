"""The projects, and what the changes of changes.sql are called in each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

CHANGES = Path(__file__).with_name("changes.sql")

FRESH = "the fresh database"
RESTORED = "the database from a backup"

PROJECTS: Mapping[str, Mapping[str, str]] = {
    "wagtail": {
        "table": "wagtailredirects_redirect",
        "text": "redirect_link",
        "length": "255",
        "plain": "created_at",
        "plain_type": "timestamp with time zone",
        "moment": "created_at",
        "key": "wagtailredirects_red_site_id_780a0e1e_fk_wagtailco",
        "key_column": "site_id",
        "target": "wagtailcore_site",
        "unique": "wagtailredirects_redirect_old_path_site_id_783622d7_uniq",
        "unique_columns": "old_path, site_id",
        "index": "wagtailredirects_redirect_old_path_bb35247b",
        "indexed": "old_path",
        "checked": "wagtailcore_page",
        "number": "depth",
        "check": "wagtailcore_page_depth_check",
        "leaf": "wagtailsearchpromotions_searchpromotion",
        "leaf_key": "wagtailsearchpromoti_page_id_71920f17_fk_wagtailco",
    },
    "oscar": {
        "table": "partner_stockrecord",
        "text": "partner_sku",
        "length": "128",
        "plain": "price",
        "plain_type": "numeric(12, 2)",
        "moment": "date_created",
        "key": "partner_stockrecord_partner_id_4155a586_fk_partner_partner_id",
        "key_column": "partner_id",
        "target": "partner_partner",
        "unique": "partner_stockrecord_partner_id_partner_sku_8441e010_uniq",
        "unique_columns": "partner_id, partner_sku",
        "index": "partner_stockrecord_date_updated_e6ae5f14",
        "indexed": "date_updated",
        "checked": "partner_stockrecord",
        "number": "num_in_stock",
        "check": "partner_stockrecord_num_in_stock_check",
        "leaf": "partner_stockalert",
        "leaf_key": "partner_stockalert_stockrecord_id_68ad503a_fk_partner_s",
    },
    "cms": {
        "table": "cms_pagecontent",
        "text": "title",
        "length": "255",
        "plain": "meta_description",
        "plain_type": "text",
        "moment": "changed_date",
        "key": "cms_title_page_id_5fade2a3_fk_cms_page_id",
        "key_column": "page_id",
        "target": "cms_page",
        "unique": "cms_title_language_page_id_61aaf084_uniq",
        "unique_columns": "language, page_id",
        "index": "cms_pagecontent_slug_23c7b868",
        "indexed": "slug",
        "checked": "cms_placeholder",
        "number": "object_id",
        "check": "cms_placeholder_object_id_check",
        "leaf": "cms_usersettings",
        "leaf_key": "cms_usersettings_clipboard_id_3ae17c19_fk_cms_placeholder_id",
    },
}
"""By the name of the package that is imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One paragraph of changes.sql, with a project's own names."""

    script: str
    told: tuple[str, ...]
    """What `dbops_drift` has to tell: differences and notes, sorted."""
    since: int
    """The first major version of PostgreSQL that understands it."""

    @property
    def name(self) -> str:
        """The script in one line."""
        return " ".join(self.script.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the worker found; after a change, or without one."""

    name: str
    told: tuple[str, ...] = ()
    """By `dbops_drift`: differences and notes, sorted."""
    dump_differs: bool = False
    """Whether `pg_dump --schema-only` prints anything else than before."""
    error: str = ""


def read_changes(project: str) -> list[Change]:
    """Return the project's share of the changes: the projects take turns.

    All in all of them would be several hundred copies of a database, and minutes.
    """
    turn = list(PROJECTS).index(project)
    return list(_read_all(project))[turn :: len(PROJECTS)]


def _read_all(project: str) -> Iterator[Change]:
    text = Template(CHANGES.read_text(encoding="utf-8")).substitute(PROJECTS[project])
    for paragraph in text.split("\n\n"):
        script = re.sub(r"^--.*\n?", "", paragraph, flags=re.MULTILINE)
        since = re.search(r"^-- from (\d+)$", paragraph, re.MULTILINE)
        if script.strip():
            yield Change(
                script=script,
                told=tuple(
                    sorted(re.findall(r"^-- => (.+)$", paragraph, re.MULTILINE))
                ),
                since=int(since[1]) if since else 15,
            )
