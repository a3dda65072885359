"""The project with django-dbbackup, for benchmarks/backup.py alone."""

from __future__ import annotations

import os

from neuroagent.settings import *  # noqa: F403
from neuroagent.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [*PROJECT_APPS, "dbbackup"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "dbbackup": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": os.environ["BENCHMARK_DIRECTORY"]},
    },
}
