"""Probes and metrics: `path("", include("dbops.urls"))`."""

from django.urls import path

from dbops.views import healthz, metrics, readyz

app_name = "dbops"
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
