-- Open transactions of other sessions in this database, the oldest first; not those
-- of dbops, which end by themselves, and not those that this role may not see.
-- Columns: pid, role, application, idle (does nothing between two statements), open_s,
-- state_s (seconds since the state changed). PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT a.pid,
       coalesce(a.usename::text, '') AS role,
       coalesce(a.application_name, '') AS application,
       coalesce(a.state LIKE 'idle in transaction%', false) AS idle,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8
           AS open_s,
       coalesce(
           extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change), 0
       )::float8 AS state_s
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = pg_catalog.current_database()
   AND a.backend_type = 'client backend'
   AND a.xact_start IS NOT NULL
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND NOT pg_catalog.starts_with(coalesce(a.application_name, ''), 'dbops:')
 ORDER BY a.xact_start, a.pid
