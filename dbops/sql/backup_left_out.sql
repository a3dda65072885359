-- What goes when schemas and relations are left out of a backup, and what cannot be
-- restored without it.
-- Parameters: schemas, relations (oids).
-- Columns: relation (the oid of a relation that goes: one that is named, in a schema
-- that is, or that belongs to one), dependent (a description of an object that stays and
-- needs one that goes); one of them is NULL.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-depend.html
WITH RECURSIVE gone (classid, objid) AS (
           SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, n.oid
             FROM pg_catalog.pg_namespace AS n
            WHERE n.oid = ANY (%(schemas)s::oid[])
            UNION
           SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, c.oid
             FROM pg_catalog.pg_class AS c
            WHERE c.oid = ANY (%(relations)s::oid[])
            UNION
           SELECT d.classid, d.objid
             FROM gone AS g
             JOIN pg_catalog.pg_depend AS d
               ON d.refclassid = g.classid AND d.refobjid = g.objid
            -- What belongs to an object, and what is in a schema; an extension is in
            -- none, and only puts its objects there.
            WHERE d.deptype IN ('a', 'i', 'P', 'S')
               OR (
                      g.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                      AND d.deptype = 'n'
                      AND d.classid
                          <> 'pg_catalog.pg_extension'::pg_catalog.regclass
                  )
       )
SELECT g.objid::bigint AS relation, NULL AS dependent
  FROM gone AS g
  JOIN pg_catalog.pg_class AS c ON c.oid = g.objid
 WHERE g.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
 UNION ALL
SELECT DISTINCT NULL::bigint,
       pg_catalog.pg_describe_object(d.classid, d.objid, 0)
  FROM gone AS g
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = g.classid AND d.refobjid = g.objid AND d.deptype = 'n'
 WHERE NOT EXISTS (
           SELECT FROM gone AS o
            WHERE o.classid = d.classid AND o.objid = d.objid
       )
 ORDER BY 1, 2
