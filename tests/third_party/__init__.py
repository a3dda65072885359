"""Real projects with long histories: what pg_dump sees, dbops_drift tells.

They are in requirements/third-party.txt, and skipped where they are not installed.
"""
