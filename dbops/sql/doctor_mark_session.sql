-- Leave a mark in the session, for whoever is served by the same backend.
-- Parameters: mark (text). Columns: pid. PostgreSQL 15 and later.
-- Source: https://www.pgbouncer.org/features.html
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.set_config('dbops.doctor', %(mark)s, false) AS mark
