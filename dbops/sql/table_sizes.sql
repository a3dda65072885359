-- How large the tables are, without looking at them: nothing here waits for a lock.
-- Columns: schema, name, rows (estimated; null: nobody knows), size_bytes (without
-- indexes, as of the last VACUUM or ANALYZE). One row per table or materialised view.
-- PostgreSQL 15.
-- https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT n.nspname::text AS schema, c.relname::text AS name,
    CASE WHEN c.reltuples >= 0 THEN GREATEST(c.reltuples::int8, s.n_live_tup)
        ELSE s.n_live_tup END AS rows,
    c.relpages::int8 * pg_catalog.current_setting('block_size')::int8 AS size_bytes
FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
