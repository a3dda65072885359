-- INVALID indexes, as a CREATE INDEX CONCURRENTLY that was cut off leaves them.
-- Columns: name (as in a catalog: quoted, its schema in front unless public),
-- schema, index (both bare).
SELECT CASE n.nspname WHEN 'public' THEN ''
            ELSE pg_catalog.quote_ident(n.nspname) || '.' END
       || pg_catalog.quote_ident(c.relname) AS name,
       n.nspname::text AS schema,
       c.relname::text AS index
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid
