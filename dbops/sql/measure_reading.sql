-- What this session's transaction has locked, and done with it, up to now.
-- Columns: wal_bytes (of the server since it was made), oid, modes (as in pg_locks),
-- filenode (null: dropped), rows_read (by scans of the whole), rows_changed,
-- rows_deleted (among the changed).
-- One row with nulls where it has locked nothing.
-- Source: https://www.postgresql.org/docs/current/view-pg-locks.html,
-- https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT w.wal_bytes,
       l.relation::bigint AS oid,
       l.modes,
       c.relfilenode::bigint AS filenode,
       coalesce(pg_catalog.pg_stat_get_xact_tuples_returned(l.relation), 0)
           AS rows_read,
       coalesce(pg_catalog.pg_stat_get_xact_tuples_inserted(l.relation), 0)
           + coalesce(pg_catalog.pg_stat_get_xact_tuples_updated(l.relation), 0)
           + coalesce(pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation), 0)
           AS rows_changed,
       coalesce(pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation), 0)
           AS rows_deleted
  FROM (
           SELECT (
                      pg_catalog.pg_current_wal_insert_lsn()
                      - '0/0'::pg_catalog.pg_lsn
                  )::bigint AS wal_bytes
       ) AS w
  LEFT JOIN (
           SELECT k.relation, pg_catalog.array_agg(DISTINCT k.mode) AS modes
             FROM pg_catalog.pg_locks AS k
            WHERE k.pid = pg_catalog.pg_backend_pid()
              AND k.locktype = 'relation'
              AND k.granted
              AND k.relation >= 16384::pg_catalog.oid
            GROUP BY k.relation
       ) AS l ON true
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
