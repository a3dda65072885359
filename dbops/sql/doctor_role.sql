-- What the session's role may do, one row; a superuser may do everything.
-- Columns: name (quoted), may_create_databases, may_read_statistics,
-- may_signal_backends, search_path, schema (where tables go, quoted; null: nowhere),
-- may_create_tables (in it). PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/predefined-roles.html
SELECT pg_catalog.quote_ident(r.rolname) AS name,
       r.rolsuper OR r.rolcreatedb AS may_create_databases,
       pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')
           AS may_read_statistics,
       pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE')
           AS may_signal_backends,
       pg_catalog.current_setting('search_path') AS search_path,
       pg_catalog.quote_ident(pg_catalog.current_schema()) AS schema,
       coalesce(
           pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'),
           false
       ) AS may_create_tables
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = current_user
