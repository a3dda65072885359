-- INVALID indexes, without those that are being built right now.
-- Columns: name, table (both quoted, with their schemas), partitioned, leftover (a
-- REINDEX CONCURRENTLY that was cut off made it beside the index of that name).
-- Without pg_read_all_stats the progress view has no index_relid, but still the pid:
-- there a build is known by its lock on the table. PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/progress-reporting.html
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       pg_catalog.format('%I.%I', tn.nspname, t.relname) AS "table",
       c.relkind = 'I' AS partitioned,
       c.relname ~ '_cc(new|old)[0-9]*$' AS leftover
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
 WHERE NOT i.indisvalid
   AND c.relpersistence <> 't'
   AND NOT EXISTS (
       SELECT 1
         FROM pg_catalog.pg_stat_progress_create_index AS p
        WHERE p.datname = pg_catalog.current_database()
          AND (p.index_relid = i.indexrelid
               OR (coalesce(p.index_relid, 0) = 0 AND EXISTS (
                   SELECT 1 FROM pg_catalog.pg_locks AS l
                    WHERE l.pid = p.pid
                      AND l.relation = i.indrelid
                      AND l.mode = 'ShareUpdateExclusiveLock'
               )))
   )
 ORDER BY 1
