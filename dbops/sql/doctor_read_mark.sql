-- Which backend serves this session, and the mark that somebody left there, if any.
-- Columns: pid, mark. PostgreSQL 15 and later.
-- Source: https://www.pgbouncer.org/features.html
SELECT pg_catalog.pg_backend_pid() AS pid,
       coalesce(pg_catalog.current_setting('dbops.doctor', true), '') AS mark
