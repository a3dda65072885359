"""No pages: only the schema is looked at."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
