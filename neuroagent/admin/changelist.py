"""The list of a large table: pages by key, no COUNT, no sort without an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext as _

from neuroagent.admin.display import show_count
from neuroagent.admin.paging import LAST, BadPageError, Page, fetch_page

if TYPE_CHECKING:
    from neuroagent.admin.base import InspectionAdmin

COUNTED = 10_000
"""Rows that are counted one by one; of larger tables there is an estimate."""

ESTIMATE = """
SELECT reltuples::bigint FROM pg_catalog.pg_class
 WHERE oid = pg_catalog.to_regclass(pg_catalog.quote_ident(%s))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """What a search found, the best first: keys of the list's model, with snippets."""

    keys: Sequence[Any]
    is_complete: bool
    """Whether that is all there is; older ones that match are left out otherwise."""


class KeysetChangeList(ChangeList):
    """A list that is paged by key, or by rank when words were searched for."""

    model_admin: "InspectionAdmin"
    filtered: QuerySet[Any]
    """The rows that the filters leave, searched or not."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.token = request.GET.get(PAGE_VAR, "")
        self.ranked: Ranked | None = None
        super().__init__(request, *args, **kwargs)

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Any]:
        query, self.query = self.query, ""
        filtered = super().get_queryset(request, exclude_parameters)
        self.query = query
        self.filtered = filtered.defer(*self.model_admin.defer_in_list)
        found, _ = self.model_admin.get_search_results(request, self.filtered, query)
        return found

    def get_ordering(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],  # noqa: ARG002
    ) -> list[str | Combinable]:
        return list(self.model_admin.order.names)

    def get_ordering_field_columns(self) -> Any:
        return {}

    def get_results(self, request: HttpRequest) -> None:
        self.ranked = self.model_admin.rank(request, self)
        try:
            page = self.fetch_ranked(self.ranked) if self.ranked else self.fetch_keyed()
        except BadPageError as error:
            raise IncorrectLookupParameters from error
        self.model_admin.complete(request, self, page.rows)
        self.pages = self.link_pages(page)
        self.count_text = self.describe_count(page)
        self.result_list = page.rows
        self.result_count = len(page.rows)
        # The same number: the search box says nothing of its own then.
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = False
        self.can_show_all = False
        self.multi_page = False

    def fetch_keyed(self) -> Page[Model]:
        """Return the page that the address names."""
        return fetch_page(
            self.queryset, self.model_admin.order, self.token, size=self.list_per_page
        )

    def fetch_ranked(self, ranked: Ranked) -> Page[Model]:
        """Return the page with that number, out of a bounded number of keys."""
        first = (self.page_num - 1) * self.list_per_page
        keys = ranked.keys[first : first + self.list_per_page] if first >= 0 else ()
        if not keys and (first or ranked.keys):
            raise BadPageError
        rows = self.filtered.filter(pk__in=keys).in_bulk()
        more = len(ranked.keys) > first + self.list_per_page
        return Page(
            rows=tuple(rows[key] for key in keys if key in rows),
            previous=str(self.page_num - 1) if first else None,
            next=str(self.page_num + 1) if more else None,
        )

    def link_pages(self, page: Page[Model]) -> list[tuple[str, str]]:
        """Return labels and addresses of the pages around this one."""
        labels = self.model_admin.page_labels
        tokens: list[tuple[Any, str | None]] = []
        if page.previous:
            tokens += [(labels[0], ""), (labels[1], page.previous)]
        if page.next:
            tokens += [(labels[2], page.next)]
            tokens += [] if self.ranked else [(labels[3], LAST)]
        return [
            (str(label), self.get_query_string({PAGE_VAR: token} if token else {}))
            for label, token in tokens
        ]

    def describe_count(self, page: Page[Model]) -> str:
        """Return how many rows there are, as far as it costs nothing to know."""
        if self.ranked:
            found = show_count(len(self.ranked.keys))
            if self.ranked.is_complete:
                return _("%(count)s found, the best first") % {"count": found}
            return _("%(count)s of the newest that match, the best first") % {
                "count": found
            }
        if self.query or self.has_active_filters or self.get_filters_params():
            shown = show_count(len(page.rows))
            return _("%(count)s on this page") % {"count": shown}
        return self.describe_size()

    def describe_size(self) -> str:
        """Return the size of the table: counted if it is small, else estimated."""
        alias, table = self.queryset.db, self.opts.db_table
        with connections[alias].cursor() as cursor:
            cursor.execute(ESTIMATE, [table])
            row = cursor.fetchone()
        estimate = row[0] if row else -1
        if estimate > COUNTED:
            return _("about %(count)s in all") % {"count": show_count(estimate)}
        rows = self.root_queryset.order_by().values("pk")
        counted = rows[: COUNTED + 1].count()
        if counted > COUNTED:
            return _("more than %(count)s in all") % {"count": show_count(COUNTED)}
        return _("%(count)s in all") % {"count": show_count(counted)}
