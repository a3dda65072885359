-- Databases that a restore has not finished, or that a killed one left.
-- Columns: name, comment. PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/functions-info.html
SELECT d.datname::text AS name, s.comment
  FROM pg_catalog.pg_database AS d
 CROSS JOIN LATERAL (
           SELECT pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
       ) AS s
 WHERE pg_catalog.starts_with(s.comment, 'dbops: restore of backup ')
 ORDER BY d.datname
