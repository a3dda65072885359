-- The columns of an enum type or of arrays of it, each where it was first declared.
-- Parameters: oid, array_oid. Columns: table (as in SQL, from the search_path),
-- column (quoted), is_array, default (text; NULL without one).
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-attribute.html
SELECT c.oid::pg_catalog.regclass::text AS "table",
       pg_catalog.quote_ident(a.attname) AS "column",
       a.atttypid = %(array_oid)s AS is_array,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS "default"
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.atttypid IN (%(oid)s, %(array_oid)s)
   AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attinhcount = 0 AND NOT c.relispartition
   AND a.attgenerated = ''
   AND c.relkind IN ('r', 'p')
 ORDER BY 1, 2
