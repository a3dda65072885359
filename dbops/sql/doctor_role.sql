-- What the session's role may do, one row; a superuser may do everything.
-- Columns: name (quoted), may_create_databases, may_read_statistics,
-- may_signal_backends. PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/predefined-roles.html
SELECT pg_catalog.quote_ident(r.rolname) AS name,
       r.rolsuper OR r.rolcreatedb AS may_create_databases,
       pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')
           AS may_read_statistics,
       pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE')
           AS may_signal_backends
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = current_user
