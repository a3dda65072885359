-- The largest tables with their indexes and TOAST, the largest first, by the server's own
-- estimates: nothing here waits for a lock. Parameter: number (how many).
-- Columns: name (quoted, with its schema), rows (estimated; null: nobody knows),
-- dead_rows, table_bytes, index_bytes, size_bytes (all of it; as of the last VACUUM or
-- ANALYZE), analyzed_at (null: never). PostgreSQL 15 and later.
-- https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT sized.name, sized.rows, sized.dead_rows, sized.table_bytes, sized.index_bytes,
       sized.table_bytes + sized.index_bytes AS size_bytes, sized.analyzed_at
  FROM (SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname) AS name,
               CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8
                    ELSE s.n_live_tup END AS rows,
               coalesce(s.n_dead_tup, 0) AS dead_rows,
               (c.relpages::int8 + coalesce(t.relpages, 0))
                   * pg_catalog.current_setting('block_size')::int8 AS table_bytes,
               coalesce(i.pages, 0)
                   * pg_catalog.current_setting('block_size')::int8 AS index_bytes,
               greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
          FROM pg_catalog.pg_class AS c
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
          LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
          LEFT JOIN (SELECT x.indrelid, sum(y.relpages)::int8 AS pages
                       FROM pg_catalog.pg_index AS x
                       JOIN pg_catalog.pg_class AS y ON y.oid = x.indexrelid
                      GROUP BY x.indrelid) AS i ON i.indrelid = c.oid
         WHERE c.relkind IN ('r', 'm')
           AND c.relpersistence <> 't'
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
       ) AS sized
 ORDER BY size_bytes DESC, sized.name
 LIMIT %(number)s
