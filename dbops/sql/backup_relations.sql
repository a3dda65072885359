-- Relations that a person may want to leave out of a backup, by schema and name.
-- Columns: oid, schema, relation (as stored), name (quoted, without `public`), kind,
-- whole (of a partition: the oid of the table that it is a part of).
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS relation,
       CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, c.relname)
       END AS name,
       c.relkind::text AS kind,
       (
           SELECT h.inhparent::bigint
             FROM pg_catalog.pg_inherits AS h
            WHERE h.inhrelid = c.oid AND c.relispartition
       ) AS whole
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
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
