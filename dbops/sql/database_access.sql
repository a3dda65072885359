-- What a database has of its own besides its contents, one row.
-- Parameter: name. Columns: owner, connection_limit (-1: none), comment,
-- has_grants (they are not the default ones).
-- Source: https://www.postgresql.org/docs/current/catalog-pg-database.html
SELECT pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
       d.datconnlimit AS connection_limit,
       pg_catalog.shobj_description(d.oid, 'pg_database') AS comment,
       d.datacl IS NOT NULL AS has_grants
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = %(name)s
