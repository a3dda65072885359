-- Foreign keys from tables whose rows are in a backup to tables whose rows are not.
-- Parameters: without (oids of the latter), gone (oids of tables that are not in it).
-- Columns: constraint_name, name (of the referring table, quoted, without `public`),
-- schema, relation (the same as stored), columns, referred (name of the other table).
-- One that was never validated is not checked by a restore either.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-constraint.html
SELECT k.conname::text AS constraint_name,
       CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(c.relname)
           ELSE pg_catalog.format('%%I.%%I', n.nspname, c.relname)
       END AS name,
       n.nspname::text AS schema,
       c.relname::text AS relation,
       ARRAY(
           SELECT a.attname::text
             FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
       ) AS columns,
       CASE
           WHEN fn.nspname = 'public' THEN pg_catalog.quote_ident(f.relname)
           ELSE pg_catalog.format('%%I.%%I', fn.nspname, f.relname)
       END AS referred
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.relnamespace
 WHERE k.contype = 'f'
   AND k.convalidated
   AND k.confrelid = ANY (%(without)s::oid[])
   AND k.conrelid <> ALL (%(without)s::oid[])
   AND k.conrelid <> ALL (%(gone)s::oid[])
   AND c.relkind = 'r'
 ORDER BY n.nspname, c.relname, k.conname
