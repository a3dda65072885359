-- Which of these tables have a file without a single page: nothing was written since it
-- was made. Columns: oid. Parameters: oids (of tables that this session has locked).
-- Source: https://www.postgresql.org/docs/current/functions-admin.html
SELECT t.oid::bigint AS oid
  FROM pg_catalog.unnest(%(oids)s::bigint[]) AS t (oid)
 WHERE pg_catalog.pg_relation_size(t.oid::oid::regclass) = 0
