-- Make a named restore point, one row. Parameter: name (at most 63 bytes).
-- Columns: lsn (text), segment (the file of the WAL that has it), made_at.
-- PostgreSQL 15 and later; for superusers and those who were granted it.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-BACKUP
SELECT p.lsn::text AS lsn,
       pg_catalog.pg_walfile_name(p.lsn) AS segment,
       pg_catalog.clock_timestamp() AS made_at
  FROM pg_catalog.pg_create_restore_point(%(name)s) AS p (lsn)
