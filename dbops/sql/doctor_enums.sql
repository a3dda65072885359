-- Columns of an enum type in the tables that are found without a schema.
-- Columns: table, column (both bare), type (quoted, with its schema), labels (in
-- order). PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-enum.html
SELECT c.relname::text AS "table",
       a.attname::text AS "column",
       pg_catalog.format('%I.%I', n.nspname, y.typname) AS type,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e
              WHERE e.enumtypid = y.oid ORDER BY e.enumsortorder) AS labels
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
  JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = y.typnamespace
 WHERE c.relkind IN ('r', 'p')
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND y.typtype = 'e'
   AND pg_catalog.pg_table_is_visible(c.oid)
 ORDER BY 1, 2
