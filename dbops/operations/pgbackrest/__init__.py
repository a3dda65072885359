"""Backups of a whole server by pgBackRest, in the terms of dbops."""
