-- The schema that pg_stat_statements is in; no row where it is not installed.
-- Columns: schema.
SELECT n.nspname::text AS schema
  FROM pg_catalog.pg_extension AS e
  JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
