"""Settings of the neuroagent project, from the environment and `.env`.

Without a DATABASE_URL this is a development checkout: a PostgreSQL server of its own
starts under `.local/` when a connection is first needed, and DEBUG is on. With one,
DEBUG is off until it is asked for.
"""

import shlex
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from neuroagent.database import read_database_url, read_inspection_url

BASE_DIR = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET_KEY = "django-insecure-for-development-only"  # noqa: S105

env = environ.FileAwareEnv()
env.read_env(BASE_DIR / ".env")


def read_seconds(name: str, *, default: float) -> float:
    try:
        return env.float(name, default=default)  # type: ignore[no-any-return]
    except ValueError:
        raise ImproperlyConfigured(
            f'{name} is "{env.str(name)}", and not a number of seconds'
        ) from None


def read_json(name: str, *, default: Any) -> Any:
    try:
        return env.json(name, default=default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no JSON: {error}") from None


DATABASE_URL: str = env.str("DATABASE_URL", default="")
DEBUG: bool = env.bool("DEBUG", default=not DATABASE_URL)
SECRET_KEY: str = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])

PRODUCTION_GAPS = [
    f"{name} {problem}"
    for name, problem, found in (
        ("DATABASE_URL", "is not set", not DATABASE_URL),
        ("SECRET_KEY", "is not set", not SECRET_KEY),
        (
            "SECRET_KEY",
            "is the development one",
            SECRET_KEY.startswith("django-insecure"),
        ),
        ("ALLOWED_HOSTS", "is not set", not ALLOWED_HOSTS),
        ("ALLOWED_HOSTS", 'allows every host ("*")', "*" in ALLOWED_HOSTS),
    )
    if found and not DEBUG
]
"""What keeps this from serving requests; management commands only need the database."""

if PRODUCTION_GAPS and env.str("DEBUG", default=""):
    raise ImproperlyConfigured(
        f"DEBUG is off, and {'; '.join(PRODUCTION_GAPS)}. "
        "Set them in the environment or in .env (see .env.example)."
    )

if not SECRET_KEY:
    # Never a fixed key where DEBUG is off: wsgi.py and asgi.py refuse to serve then.
    SECRET_KEY = DEVELOPMENT_SECRET_KEY if DEBUG else get_random_secret_key()

INSTALLED_APPS = [
    "dbops",
    "neuroagent",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
]

MIDDLEWARE = [
    "neuroagent.middleware.add_content_security_policy",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "neuroagent.middleware.use_zone_of_reader",
    "neuroagent.middleware.ExplainDatabaseErrors",
]

ROOT_URLCONF = "neuroagent.urls"
WSGI_APPLICATION = "neuroagent.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

EMBEDDED_DATABASE = {
    "ENGINE": "dbops.embedded",
    "NAME": "neuroagent",
    "OPTIONS": {
        "embedded_directory": env.str(
            "DBOPS_EMBEDDED_DIRECTORY", default=str(BASE_DIR / ".local")
        )
    },
}

DATABASES = {
    "default": read_database_url(DATABASE_URL) if DATABASE_URL else EMBEDDED_DATABASE
}

# What the admin site reads, if not the database itself.
ADMIN_DATABASE_URL: str = env.str("ADMIN_DATABASE_URL", default="")
ADMIN_TIMEOUT_S = read_seconds("ADMIN_TIMEOUT_S", default=5.0)
ADMIN_ALLOW_EDITS: bool = env.bool("ADMIN_ALLOW_EDITS", default=False)
ADMIN_DATABASE = "inspection" if ADMIN_DATABASE_URL else "default"
if ADMIN_DATABASE_URL:
    DATABASES["inspection"] = read_inspection_url(
        ADMIN_DATABASE_URL, timeout_s=ADMIN_TIMEOUT_S
    )

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"

DBOPS = {
    "BACKUP_STORAGE": env.str(
        "DBOPS_BACKUP_STORAGE", default=str(BASE_DIR / "backups")
    ),
    "BACKUP_ENGINE": env.str("DBOPS_BACKUP_ENGINE", default="dump"),
    "PGBACKREST_STANZA": env.str("DBOPS_PGBACKREST_STANZA", default=""),
    "PGBACKREST_CONFIG": env.str("DBOPS_PGBACKREST_CONFIG", default=""),
    "PGBACKREST_COMMAND": shlex.split(
        env.str("DBOPS_PGBACKREST_COMMAND", default="pgbackrest")
    ),
    "BACKUP_LEVEL": env.str("DBOPS_BACKUP_LEVEL", default="contents"),
    "BACKUP_RECIPIENTS": env.list("DBOPS_BACKUP_RECIPIENTS", default=[]),
    "BACKUP_IDENTITY_FILE": env.str("DBOPS_BACKUP_IDENTITY_FILE", default=""),
    "NOTIFY": env.list("DBOPS_NOTIFY", default=[]),
    "METRICS_TOKEN": env.str("DBOPS_METRICS_TOKEN", default=""),
    "SCRATCH_URL": env.str("DBOPS_SCRATCH_URL", default=""),
    "IGNORE": env.list("DBOPS_IGNORE", default=[]),
    "SMOKE_CHECKS": read_json("DBOPS_SMOKE_CHECKS", default=[]),
    "HOOKS": read_json("DBOPS_HOOKS", default=None),
    "SEED": "neuroagent_demo",
    "PG_BIN": env.str("DBOPS_PG_BIN", default=""),
    "LOCK_TIMEOUT_S": read_seconds("DBOPS_LOCK_TIMEOUT_S", default=2.0),
    "LOCK_BUDGET_S": read_seconds("DBOPS_LOCK_BUDGET_S", default=120.0),
}
