-- The comment on the connected database, or NULL; one row.
--   comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/functions-info.html
SELECT pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
