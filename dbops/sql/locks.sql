-- One look at who waits for what: the locks on each object that somebody waits for,
-- with their sessions; the rows that waiting sessions have their hand on; the ids of
-- prepared transactions; the leaders of parallel workers; and sessions that wait for
-- something else than a lock. Needs no lock of its own but those on the catalogs of
-- databases and roles, and reads pg_locks once, so that it is one moment.
-- Parameter: asked (pid of a session to return in any case, or null); the session that
-- asks is always there, so there is a row.
-- Columns: now_us; of the lock, null for a session without one: locktype, database,
-- relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid,
-- virtualtransaction, lock_pid (null: a prepared transaction), mode, granted,
-- wait_start_us; of the session, null when it is gone or there is none: pid,
-- leader_pid, datname, role, superuser (or no role at all), application_name, client,
-- backend_type, state, wait_event_type, wait_event, backend_start_us, xact_start_us,
-- query_start_us, state_change_us, has_written (it has a transaction id), query,
-- hidden. Moments (_us) in microseconds since 1970. PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/view-pg-locks.html
WITH lock AS MATERIALIZED (
    SELECT l.*,
           pg_catalog.concat_ws(
               ':', l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid,
               l.transactionid, l.classid, l.objid, l.objsubid
           ) AS tag
      FROM pg_catalog.pg_locks AS l
     WHERE l.mode <> 'SIReadLock'
), contended AS MATERIALIZED (
    SELECT lock.*
      FROM lock
     WHERE lock.tag IN (SELECT w.tag FROM lock AS w WHERE NOT w.granted)
        OR (lock.locktype = 'tuple'
            AND lock.pid IN (SELECT w.pid FROM lock AS w WHERE NOT w.granted))
        OR (lock.locktype = 'transactionid' AND lock.pid IS NULL)
), activity AS MATERIALIZED (
    SELECT a.* FROM pg_catalog.pg_stat_activity AS a
), leader AS (
    SELECT worker.leader_pid
      FROM activity AS worker
     WHERE worker.pid IN (SELECT contended.pid FROM contended)
)
SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint AS now_us,
       l.locktype,
       l.database::bigint,
       l.relation::bigint,
       l.page,
       l.tuple,
       l.virtualxid,
       l.transactionid::text::bigint AS transactionid,
       l.classid::bigint,
       l.objid::bigint,
       l.objsubid,
       l.virtualtransaction,
       l.pid AS lock_pid,
       l.mode,
       l.granted,
       (extract(epoch FROM l.waitstart) * 1000000)::bigint AS wait_start_us,
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
  FROM contended AS l
  FULL JOIN activity AS a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
 WHERE l.locktype IS NOT NULL
    OR a.pid IN (SELECT leader.leader_pid FROM leader)
    OR (a.state = 'active'
        AND a.wait_event_type NOT IN ('Lock', 'Activity')
        AND a.backend_type = 'client backend')
    OR a.pid IN (%(asked)s::int, pg_catalog.pg_backend_pid())
    OR (a.backend_type = 'startup' AND a.wait_event_type NOT IN ('Lock', 'Activity'))
