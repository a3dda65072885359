-- Collations whose order the operating system or ICU has changed meanwhile: that of
-- the database, and those that something depends on.
-- Columns: name (quoted), is_database, recorded, actual (both versions).
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/sql-altercollation.html
SELECT pg_catalog.quote_ident(d.datname) AS name,
       true AS is_database,
       d.datcollversion AS recorded,
       pg_catalog.pg_database_collation_actual_version(d.oid) AS actual
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = pg_catalog.current_database()
   AND d.datcollversion <> pg_catalog.pg_database_collation_actual_version(d.oid)
UNION ALL
SELECT pg_catalog.format('%I.%I', n.nspname, c.collname) AS name,
       false AS is_database,
       c.collversion AS recorded,
       pg_catalog.pg_collation_actual_version(c.oid) AS actual
  FROM pg_catalog.pg_collation AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
 WHERE EXISTS (
       SELECT 1 FROM pg_catalog.pg_depend AS p
        WHERE p.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass
          AND p.refobjid = c.oid
   )
   AND c.collversion <> pg_catalog.pg_collation_actual_version(c.oid)
 ORDER BY 2 DESC, 1
