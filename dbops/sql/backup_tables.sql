-- Tables whose rows pg_dump writes: ordinary ones, partitions, and the partitioned
-- tables above them (no rows of their own), by schema and name.
-- Columns: oid, schema, relation (as stored), name (quoted, without `public`),
-- is_partitioned. Left out: temporary tables and those that belong to an extension.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS relation,
       CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, c.relname)
       END AS name,
       c.relkind = 'p' AS is_partitioned
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
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
 ORDER BY n.nspname, c.relname
