"""Who may see the operations page, and act there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern

from dbops.admin.ledger import ReadOnly
from dbops.models import Operations

if TYPE_CHECKING:
    OperationsBase = admin.ModelAdmin[Operations]
else:
    OperationsBase = admin.ModelAdmin

SIGNAL = "dbops.signal_sessions"
VIEW = "dbops.view_operations"


@admin.register(Operations)
class OperationsAdmin(ReadOnly, OperationsBase):
    """One page, in place of a list."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Those who may see the page see it in the list of apps."""
        return self.has_view_permission(request)

    def has_view_permission(
        self, request: HttpRequest, obj: Operations | None = None
    ) -> bool:
        """Its own permission, and no other one of the ledger's."""
        del obj
        return request.user.has_perm(VIEW)

    def may_signal(self, request: HttpRequest) -> bool:
        """Tell whether somebody may cancel and terminate."""
        return self.has_view_permission(request) and request.user.has_perm(SIGNAL)

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the pages; there is nothing to add or to change."""
        # Every command imports the admin site, and only a server shows it.
        from dbops.admin.pages import Pages

        return Pages(self).build_urls()
