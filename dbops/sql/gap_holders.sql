-- The relations that a migration wants strong locks on, as far as they are there, and
-- what other sessions and prepared transactions hold or want on each: one row a lock, or
-- one without a lock. Locks no relation itself, and tells of this moment also within a
-- transaction.
-- Parameters: schemas, names, below (arrays of the same length; below: with all that
-- inherits from it).
-- Columns: place (from 1, in the arrays), schema, name, kind (pg_class.relkind),
-- may_lock (LOCK TABLE is allowed), now_us; of the lock, null without one:
-- virtualtransaction, lock_pid (null: a prepared transaction), mode, granted; of the
-- prepared transaction: transaction, gid, literal, prepared_us, owner, database; of the
-- session as in locks.sql: pid to hidden. Moments (_us) in microseconds since 1970.
-- PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/view-pg-locks.html
WITH RECURSIVE cleared AS MATERIALIZED (
    SELECT pg_catalog.pg_stat_clear_snapshot()
), wanted AS (
    SELECT w.place, c.oid, w.below
      FROM ROWS FROM (
               unnest(%(schemas)s::text[]), unnest(%(names)s::text[]),
               unnest(%(below)s::bool[])
           ) WITH ORDINALITY AS w (schema, name, below, place)
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname = w.name
     UNION
    SELECT wanted.place, i.inhrelid, true
      FROM wanted
      JOIN pg_catalog.pg_inherits AS i ON i.inhparent = wanted.oid
     WHERE wanted.below
), lock AS MATERIALIZED (
    SELECT l.*
      FROM pg_catalog.pg_locks AS l
     WHERE l.locktype IN ('relation', 'transactionid')
), prepared AS (
    SELECT lock.virtualtransaction, p.*
      FROM lock
      JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = lock.transactionid
     WHERE lock.pid IS NULL AND lock.locktype = 'transactionid'
)
SELECT wanted.place,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind AS kind,
       pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') AS may_lock,
       (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint AS now_us,
       l.virtualtransaction,
       l.pid AS lock_pid,
       l.mode,
       l.granted,
       p.transaction::text::bigint AS transaction,
       p.gid,
       pg_catalog.quote_literal(p.gid) AS literal,
       (extract(epoch FROM p.prepared) * 1000000)::bigint AS prepared_us,
       p.owner::text AS owner,
       p.database::text AS database,
       a.pid,
       a.leader_pid,
       a.datname::text AS datname,
       a.usename::text AS role,
       coalesce(r.rolsuper, true) AS superuser,
       a.application_name,
       pg_catalog.host(a.client_addr) AS client,
       a.backend_type,
       a.state,
       a.wait_event_type,
       a.wait_event,
       (extract(epoch FROM a.backend_start) * 1000000)::bigint AS backend_start_us,
       (extract(epoch FROM a.xact_start) * 1000000)::bigint AS xact_start_us,
       (extract(epoch FROM a.query_start) * 1000000)::bigint AS query_start_us,
       (extract(epoch FROM a.state_change) * 1000000)::bigint AS state_change_us,
       a.backend_xid IS NOT NULL AS has_written,
       a.query,
       coalesce(a.query = '<insufficient privilege>', false) AS hidden
  FROM wanted
  CROSS JOIN cleared
  JOIN pg_catalog.pg_class AS c ON c.oid = wanted.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN lock AS l
    ON l.locktype = 'relation'
   AND l.relation = wanted.oid
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                      WHERE d.datname = pg_catalog.current_database())
   AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  LEFT JOIN prepared AS p
    ON l.pid IS NULL AND p.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
 ORDER BY wanted.place, n.nspname, c.relname
