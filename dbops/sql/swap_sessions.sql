-- Who is connected to a database, autovacuum aside (the server ends it by itself).
-- Parameters: oid, spared (a pid). Columns: pid, role.
SELECT a.pid, a.usename::text AS role
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datid = %(oid)s::bigint::pg_catalog.oid
   AND a.usesysid IS NOT NULL
   AND a.pid <> %(spared)s
