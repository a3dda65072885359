-- Who holds the lock in this database, one row or none (a deployment before a backup).
-- Parameters: class, key (int4). Columns: pid, application_name, usename,
-- client_addr, held_s (seconds since its transaction began, null without the right
-- to see it).
SELECT l.pid,
       a.application_name,
       a.usename::text AS usename,
       pg_catalog.host(a.client_addr) AS client_addr,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS held_s
  FROM pg_catalog.pg_locks AS l
  LEFT JOIN pg_catalog.pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory'
   AND l.database = (
       SELECT d.oid FROM pg_catalog.pg_database AS d
        WHERE d.datname = pg_catalog.current_database()
   )
   AND l.classid::bigint = %(class)s
   AND l.objid::bigint = %(key)s
   AND l.objsubid = 2
   AND l.granted
 ORDER BY l.mode, l.pid
 LIMIT 1
