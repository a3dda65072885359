-- What another session has locked at this moment.
-- Columns: oid, mode (as in pg_locks). Parameters: pid.
SELECT l.relation::bigint AS oid, l.mode
  FROM pg_catalog.pg_locks AS l
 WHERE l.pid = %(pid)s
   AND l.locktype = 'relation'
   AND l.granted
   AND l.relation >= 16384::pg_catalog.oid
