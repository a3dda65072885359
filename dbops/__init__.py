"""Ship PostgreSQL schema changes from Django, and be able to go back."""

__version__ = "0.1.0"
