-- The tables of the database, how busy they are, and who uses them now.
-- Columns: name (quoted, without `public`), size_bytes (heap, as last analysed), scans and
-- changes (since the statistics were reset), oldest_transaction_s and
-- oldest_transaction (of those with a lock on it), is_vacuumed (by autovacuum).
-- Nothing here waits for a lock. Who it is shows to members of pg_read_all_stats only.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, c.relname)
       END AS name,
       c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
           AS size_bytes,
       coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) AS scans,
       coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0)
           AS changes,
       pg_catalog.date_part(
           'epoch', pg_catalog.clock_timestamp() - u.xact_start
       )::float8 AS oldest_transaction_s,
       coalesce(
           pg_catalog.format(
               'pid %s, "%s", %s', u.pid, u.application_name, u.state
           ),
           ''
       ) AS oldest_transaction,
       v.relid IS NOT NULL AS is_vacuumed
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_all_tables AS s ON s.relid = c.oid
  LEFT JOIN (
           SELECT DISTINCT ON (l.relation) l.relation, a.pid, a.xact_start,
                  a.application_name, a.state
             FROM pg_catalog.pg_locks AS l
             JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
            WHERE l.locktype = 'relation'
              AND l.granted
              AND l.database = (
                      SELECT d.oid
                        FROM pg_catalog.pg_database AS d
                       WHERE d.datname = pg_catalog.current_database()
                  )
              AND a.xact_start IS NOT NULL
              AND a.backend_type = 'client backend'
              AND a.pid <> pg_catalog.pg_backend_pid()
            ORDER BY l.relation, a.xact_start
       ) AS u ON u.relation = c.oid
  LEFT JOIN pg_catalog.pg_stat_progress_vacuum AS v ON v.relid = c.oid
 WHERE c.relkind IN ('r', 'p', 'm')
   AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema'
   AND pg_catalog.left(n.nspname, 3) <> 'pg_'
