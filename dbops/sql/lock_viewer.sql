-- Who looks, and what it may see and do, one row. Columns: database, database_oid, pid,
-- role (quoted), superuser, may_read_statistics, may_signal_backends,
-- may_signal_autovacuum (null: the server knows no such role), in_recovery,
-- server_version.
-- Source: https://www.postgresql.org/docs/current/predefined-roles.html
SELECT pg_catalog.current_database()::text AS database,
       (SELECT d.oid::bigint FROM pg_catalog.pg_database AS d
         WHERE d.datname = pg_catalog.current_database()) AS database_oid,
       pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.quote_ident(r.rolname) AS role,
       r.rolsuper AS superuser,
       pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')
           AS may_read_statistics,
       pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE')
           AS may_signal_backends,
       (SELECT pg_catalog.pg_has_role(r.oid, s.oid, 'USAGE')
          FROM pg_catalog.pg_roles AS s
         WHERE s.rolname = 'pg_signal_autovacuum_worker') AS may_signal_autovacuum,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('server_version') AS server_version
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = current_user
