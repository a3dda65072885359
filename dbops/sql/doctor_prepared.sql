-- Prepared transactions of this database, the oldest first.
-- Columns: gid, literal (the gid quoted), role, prepared_s (seconds since).
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/view-pg-prepared-xacts.html
SELECT p.gid,
       pg_catalog.quote_literal(p.gid) AS literal,
       p.owner::text AS role,
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8
           AS prepared_s
  FROM pg_catalog.pg_prepared_xacts AS p
 WHERE p.database = pg_catalog.current_database()
 ORDER BY p.prepared, p.gid
