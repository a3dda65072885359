"""A database backend that brings its own PostgreSQL server.

DATABASES = {
    "default": {
        "ENGINE": "dbops.embedded",
        "NAME": "app",
        "OPTIONS": {"embedded_directory": BASE_DIR / ".local"},
    }
}
"""
