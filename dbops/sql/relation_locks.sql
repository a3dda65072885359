-- The relations of the database, and the strongest lock that this session has on each;
-- also on those that it has dropped, which have no name any more.
-- Columns: oid, schema, name (both null: dropped), kind (pg_class.relkind), parents
-- (oids of what it is a partition of, or inherits from), mode (null: no lock).
-- Source: https://www.postgresql.org/docs/current/view-pg-locks.html
WITH held AS (
    SELECT l.relation AS oid, pg_catalog.array_agg(l.mode) AS modes
      FROM pg_catalog.pg_locks AS l
     WHERE l.locktype = 'relation'
       AND l.pid = pg_catalog.pg_backend_pid()
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                          WHERE d.datname = pg_catalog.current_database())
     GROUP BY l.relation
), relation AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND n.nspname !~ '^pg_(toast|temp)'
)
SELECT coalesce(relation.oid, held.oid)::bigint AS oid,
       relation.nspname AS schema,
       relation.relname AS name,
       relation.relkind AS kind,
       ARRAY(SELECT i.inhparent::bigint FROM pg_catalog.pg_inherits AS i
              WHERE i.inhrelid = relation.oid) AS parents,
       held.modes
  FROM relation
  FULL JOIN held ON held.oid = relation.oid
