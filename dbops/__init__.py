"""Ship PostgreSQL schema changes from Django, and be able to go back."""
