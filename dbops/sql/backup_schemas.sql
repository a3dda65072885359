-- Schemas that a person may want to leave out of a backup, by name.
-- Columns: oid, name (quoted).
-- Source: https://www.postgresql.org/docs/current/catalog-pg-namespace.html
SELECT n.oid::bigint AS oid,
       pg_catalog.quote_ident(n.nspname) AS name
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname <> 'information_schema'
   AND pg_catalog.left(n.nspname, 3) <> 'pg_'
 ORDER BY n.nspname
