-- How much WAL the server has written since its statistics were reset, one row.
-- Columns: wal_bytes, observed_s (seconds). PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-WAL-VIEW
SELECT w.wal_bytes::int8 AS wal_bytes,
       extract(epoch FROM pg_catalog.clock_timestamp() - w.stats_reset)::float8
           AS observed_s
  FROM pg_catalog.pg_stat_wal AS w
 WHERE w.stats_reset IS NOT NULL
