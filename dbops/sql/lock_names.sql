-- The names of objects of this database, quoted. Takes no lock on the objects, so it
-- does not wait for who holds them: regclass or pg_describe_object might.
-- Parameters: relations (oids), classes and objects (oids, in pairs).
-- Columns: classid (null: a relation), objid, kind, name.
SELECT NULL::bigint AS classid,
       c.oid::bigint AS objid,
       CASE c.relkind WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                      WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
                      WHEN 'm' THEN 'materialized view' WHEN 't' THEN 'TOAST table'
                      ELSE 'table' END AS kind,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
           AS name
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = ANY (%(relations)s::oid[])
UNION ALL
SELECT o.classid::bigint,
       o.objid::bigint,
       CASE k.relname WHEN 'pg_type' THEN 'type' WHEN 'pg_proc' THEN 'function'
                      WHEN 'pg_namespace' THEN 'schema'
                      WHEN 'pg_database' THEN 'database' WHEN 'pg_authid' THEN 'role'
                      ELSE 'object of ' || k.relname END,
       coalesce(
           (SELECT pg_catalog.quote_ident(n.nspname) || '.'
                   || pg_catalog.quote_ident(t.typname)
              FROM pg_catalog.pg_type AS t
              JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
             WHERE k.relname = 'pg_type' AND t.oid = o.objid),
           (SELECT pg_catalog.quote_ident(n.nspname) || '.'
                   || pg_catalog.quote_ident(p.proname)
              FROM pg_catalog.pg_proc AS p
              JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
             WHERE k.relname = 'pg_proc' AND p.oid = o.objid),
           (SELECT pg_catalog.quote_ident(n.nspname)
              FROM pg_catalog.pg_namespace AS n
             WHERE k.relname = 'pg_namespace' AND n.oid = o.objid),
           (SELECT pg_catalog.quote_ident(d.datname)
              FROM pg_catalog.pg_database AS d
             WHERE k.relname = 'pg_database' AND d.oid = o.objid),
           (SELECT pg_catalog.quote_ident(r.rolname)
              FROM pg_catalog.pg_roles AS r
             WHERE k.relname = 'pg_authid' AND r.oid = o.objid),
           o.objid::text
       )
  FROM ROWS FROM (
           pg_catalog.unnest(%(classes)s::oid[]), pg_catalog.unnest(%(objects)s::oid[])
       ) AS o (classid, objid)
  JOIN pg_catalog.pg_class AS k ON k.oid = o.classid
