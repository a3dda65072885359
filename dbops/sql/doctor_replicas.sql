-- Connected replicas, and how far behind each is. Without pg_read_all_stats there are
-- rows, but nothing in them: those are left out.
-- Columns: name, address, state, lag_s (null: idle), lag_bytes (null: not started).
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT coalesce(nullif(r.application_name, ''), r.pid::text) AS name,
       coalesce(pg_catalog.host(r.client_addr), '') AS address,
       r.state,
       extract(epoch FROM r.replay_lag)::float8 AS lag_s,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(),
                              pg_catalog.pg_last_wal_replay_lsn())
                ELSE pg_catalog.pg_current_wal_lsn()
           END,
           r.replay_lsn
       )::int8 AS lag_bytes
  FROM pg_catalog.pg_stat_replication AS r
 WHERE r.state IS NOT NULL
 ORDER BY 1, r.pid
