"""Two databases with a router, and a user model of the project's own."""

import json
import os

SECRET_KEY = "for-tests-only"
DATABASES = json.loads(os.environ["PORTAL_DATABASES"])
DATABASE_ROUTERS = ["config.routers.Router"]
AUTH_USER_MODEL = "accounts.User"
INSTALLED_APPS = [
    "dbops",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "accounts",
    "stock",
    "metrics",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DBOPS = json.loads(os.environ["PORTAL_DBOPS"])
