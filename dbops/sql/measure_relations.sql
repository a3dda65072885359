-- The tables, indexes and sequences that exist, before they are changed.
-- Columns: oid, name (quoted, without `public`), table (for an index the one it belongs
-- to), kind (as in pg_class), filenode, size_bytes (as last analysed).
-- Nothing here waits for a lock: a size on disk would.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT c.oid::bigint AS oid,
       CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, c.relname)
       END AS name,
       CASE
           WHEN t.oid IS NULL THEN NULL
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(t.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, t.relname)
       END AS "table",
       c.relkind::text AS kind,
       c.relfilenode::bigint AS filenode,
       c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
           AS size_bytes
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
 WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I', 'S', 'v')
   AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema'
   AND pg_catalog.left(n.nspname, 3) <> 'pg_'
