-- Cancel a session's query, if it is still the one that was looked at: pids come again.
-- Parameters: pid, backend_start_us, xact_start_us, query_start_us (microseconds since
-- 1970), state (null for autovacuum, which has none). One row with the server's answer, or none when it has moved on.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
SELECT pg_catalog.pg_cancel_backend(a.pid)
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid = %(pid)s
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND (extract(epoch FROM a.backend_start) * 1000000)::bigint
       = %(backend_start_us)s::bigint
   AND (extract(epoch FROM a.xact_start) * 1000000)::bigint
       IS NOT DISTINCT FROM %(xact_start_us)s::bigint
   AND (extract(epoch FROM a.query_start) * 1000000)::bigint
       IS NOT DISTINCT FROM %(query_start_us)s::bigint
   AND a.state IS NOT DISTINCT FROM %(state)s::text
