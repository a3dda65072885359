-- What else mentions an enum type, or a column of it: what can be dropped and made again
-- (CHECKs, indexes with an expression or a predicate) has statements; the rest is named.
-- Parameters: oid, array_oid. Columns: drop, create, comment, other.
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-depend.html
WITH users AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid
      FROM pg_catalog.pg_depend AS d
     WHERE d.deptype IN ('n', 'a')
       AND (d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND d.refobjid IN (%(oid)s, %(array_oid)s)
         OR d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass,
                              'pg_catalog.pg_policy'::pg_catalog.regclass)
            AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                         WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                           AND a.atttypid IN (%(oid)s, %(array_oid)s)))
)
SELECT pg_catalog.format('ALTER TABLE %%s DROP CONSTRAINT %%I',
                         k.conrelid::pg_catalog.regclass, k.conname) AS drop,
       pg_catalog.format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s',
                         k.conrelid::pg_catalog.regclass, k.conname,
                         pg_catalog.pg_get_constraintdef(k.oid)) AS create,
       pg_catalog.format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', k.conname,
                         k.conrelid::pg_catalog.regclass,
                         pg_catalog.obj_description(k.oid, 'pg_constraint')) AS comment,
       pg_catalog.obj_description(k.oid, 'pg_constraint') IS NOT NULL AS has_comment,
       NULL AS other
  FROM users AS u
  JOIN pg_catalog.pg_constraint AS k ON k.oid = u.objid
 WHERE u.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
   AND k.contype = 'c' AND k.conrelid <> 0 AND k.coninhcount = 0
UNION ALL
SELECT pg_catalog.format('DROP INDEX %%s', i.oid::pg_catalog.regclass),
       pg_catalog.pg_get_indexdef(i.oid),
       pg_catalog.format('COMMENT ON INDEX %%s IS %%L', i.oid::pg_catalog.regclass,
                         pg_catalog.obj_description(i.oid, 'pg_class')),
       pg_catalog.obj_description(i.oid, 'pg_class') IS NOT NULL,
       NULL
  FROM users AS u
  JOIN pg_catalog.pg_class AS i ON i.oid = u.objid AND i.relkind IN ('i', 'I')
 WHERE u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND NOT i.relispartition
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.oid)
UNION ALL
SELECT NULL, NULL, NULL, false,
       pg_catalog.pg_describe_object(u.classid, u.objid, u.objsubid)
  FROM users AS u
 WHERE u.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
                        WHERE k.oid = u.objid AND k.contype = 'c' AND k.conrelid <> 0)
    OR u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
       AND EXISTS (SELECT FROM pg_catalog.pg_attrdef AS f
                     JOIN pg_catalog.pg_attribute AS a
                       ON a.attrelid = f.adrelid AND a.attnum = f.adnum
                    WHERE f.oid = u.objid
                      AND (a.attgenerated <> ''
                           OR a.atttypid NOT IN (%(oid)s, %(array_oid)s)))
    OR u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND u.objsubid > 0
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                        WHERE c.oid = u.objid AND c.relkind IN ('r', 'p', 'i', 'I'))
    OR u.classid NOT IN ('pg_catalog.pg_constraint'::pg_catalog.regclass,
                         'pg_catalog.pg_attrdef'::pg_catalog.regclass,
                         'pg_catalog.pg_class'::pg_catalog.regclass,
                         'pg_catalog.pg_type'::pg_catalog.regclass)
    OR u.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
       AND u.objid NOT IN (%(oid)s, %(array_oid)s)
 ORDER BY 5 NULLS FIRST, 1
