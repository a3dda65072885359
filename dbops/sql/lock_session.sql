-- One session as it is now, and whether the role that asks has its role's rights; no
-- row when it is gone. Parameter: pid. Columns: backend_start_us, xact_start_us,
-- query_start_us (microseconds since 1970), state, same_role.
SELECT (extract(epoch FROM a.backend_start) * 1000000)::bigint AS backend_start_us,
       (extract(epoch FROM a.xact_start) * 1000000)::bigint AS xact_start_us,
       (extract(epoch FROM a.query_start) * 1000000)::bigint AS query_start_us,
       a.state,
       coalesce(pg_catalog.pg_has_role(a.usesysid, 'USAGE'), false) AS same_role
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid = %(pid)s
