-- Terminate a session, if it is still in the transaction that was looked at, and wait
-- until it is gone. Parameters: pid, backend_start_us, xact_start_us (microseconds since
-- 1970), state (that it must be in; null: any), wait_ms. One row (was it gone in time?), or none when it has moved on.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
SELECT pg_catalog.pg_terminate_backend(a.pid, %(wait_ms)s)
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid = %(pid)s
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND (extract(epoch FROM a.backend_start) * 1000000)::bigint
       = %(backend_start_us)s::bigint
   AND (extract(epoch FROM a.xact_start) * 1000000)::bigint
       IS NOT DISTINCT FROM %(xact_start_us)s::bigint
   AND (%(state)s::text IS NULL OR a.state = %(state)s)
