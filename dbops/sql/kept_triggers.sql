-- The triggers of a table that would fire. Parameter: oid.
-- Columns: name, enabled (O: in ordinary sessions; A: always).
-- Source: https://www.postgresql.org/docs/current/catalog-pg-trigger.html
SELECT g.tgname::text AS name, g.tgenabled::text AS enabled
  FROM pg_catalog.pg_trigger AS g
 WHERE g.tgrelid = %(oid)s AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')
 ORDER BY g.tgname
