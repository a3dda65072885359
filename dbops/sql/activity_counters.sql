-- What the server has counted in this database, and how many wait for locks now.
-- Columns: reset (when the statistics were reset; empty: not known), since_reset_s (null:
-- not known), commits, rollbacks, deadlocks, fatal_sessions, waiting_sessions (dbops's
-- own left out). One row.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT coalesce(d.stats_reset::text, '') AS reset,
       EXTRACT(epoch FROM pg_catalog.clock_timestamp() - d.stats_reset)::float8
           AS since_reset_s,
       d.xact_commit AS commits,
       d.xact_rollback AS rollbacks,
       d.deadlocks,
       d.sessions_fatal AS fatal_sessions,
       (
           SELECT pg_catalog.count(DISTINCT l.pid)
             FROM pg_catalog.pg_locks AS l
             JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
            WHERE NOT l.granted
              AND a.datid = d.datid
              AND a.application_name NOT LIKE 'dbops%'
       ) AS waiting_sessions
  FROM pg_catalog.pg_stat_database AS d
 WHERE d.datname = pg_catalog.current_database()
