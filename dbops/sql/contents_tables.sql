-- Tables that hold rows, and the columns that can be compared.
-- Columns: oid, schema, relation (as stored), name (quoted, without `public`), columns
-- (as stored, by name), numbers (of the same columns: one that was dropped and made again
-- has another, one that was renamed has not). Left out: generated columns, temporary tables, and those that belong
-- to an extension.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-attribute.html
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS relation,
       CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, c.relname)
       END AS name,
       coalesce(
           pg_catalog.array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C")
               FILTER (WHERE a.attnum > 0),
           '{}'
       ) AS columns,
       coalesce(
           pg_catalog.array_agg(a.attnum::int ORDER BY a.attname::text COLLATE "C")
               FILTER (WHERE a.attnum > 0),
           '{}'
       ) AS numbers
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND a.attgenerated = ''
 WHERE c.relkind = 'r'
   AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema'
   AND pg_catalog.left(n.nspname, 3) <> 'pg_'
   AND NOT EXISTS (
           SELECT 1
             FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
              AND d.objid = c.oid
              AND d.deptype = 'e'
       )
 GROUP BY c.oid, n.nspname, c.relname
 ORDER BY n.nspname, c.relname
