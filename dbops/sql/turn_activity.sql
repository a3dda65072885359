-- When dbops did something here last, beside those that wait or look: now, where a
-- session of it is at work and waits for no lock and no client.
-- Parameters: pid (of who holds the deploy lock). Columns: moment (timestamptz, or null).
-- A deployment works in scratch databases, too; these count for the holder's address.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT pg_catalog.max(
           CASE WHEN a.state = 'active'
                 AND coalesce(a.wait_event_type, '') NOT IN ('Lock', 'Client')
                THEN pg_catalog.clock_timestamp()
                ELSE a.state_change END) AS moment
  FROM pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_stat_activity AS h ON h.pid = %(pid)s
 WHERE a.pid NOT IN (pg_catalog.pg_backend_pid(), %(pid)s)
   AND a.application_name !~ '^dbops:(.*:lock|watch)$'
   AND ((a.datname = pg_catalog.current_database()
         AND a.application_name ~ '^dbops(-worker)?:')
        OR (pg_catalog.starts_with(a.datname, 'dbops_scratch_')
            AND a.client_addr IS NOT DISTINCT FROM h.client_addr))
