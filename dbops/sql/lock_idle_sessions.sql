-- Sessions of this database that have been idle in transaction for so long, the longest
-- first; not those of dbops. Parameter: older_than_s. Columns as in locks.sql.
SELECT a.pid,
       a.leader_pid,
       a.datname::text AS datname,
       a.usename::text AS role,
       coalesce(r.rolsuper, true) AS superuser,
       a.application_name,
       pg_catalog.host(a.client_addr) AS client,
       a.backend_type,
       a.state,
       a.wait_event_type,
       a.wait_event,
       (extract(epoch FROM a.backend_start) * 1000000)::bigint AS backend_start_us,
       (extract(epoch FROM a.xact_start) * 1000000)::bigint AS xact_start_us,
       (extract(epoch FROM a.query_start) * 1000000)::bigint AS query_start_us,
       (extract(epoch FROM a.state_change) * 1000000)::bigint AS state_change_us,
       a.backend_xid IS NOT NULL AS has_written,
       a.query,
       false AS hidden
  FROM pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
 WHERE a.datname = pg_catalog.current_database()
   AND a.backend_type = 'client backend'
   AND a.state LIKE 'idle in transaction%%'
   AND a.state_change < pg_catalog.clock_timestamp()
                        - pg_catalog.make_interval(secs => %(older_than_s)s)
   AND NOT pg_catalog.starts_with(coalesce(a.application_name, ''), 'dbops:')
   AND NOT pg_catalog.starts_with(coalesce(a.application_name, ''), 'dbops-worker:')
   AND a.pid <> pg_catalog.pg_backend_pid()
 ORDER BY a.state_change, a.pid
