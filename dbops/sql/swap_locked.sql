-- Whether this session keeps everybody from connecting to a database, which needs a
-- lock on it that is weaker. Parameters: oid, pid. Columns: locked.
-- Source: https://www.postgresql.org/docs/current/view-pg-locks.html
SELECT EXISTS (
           SELECT FROM pg_catalog.pg_locks AS l
            WHERE l.locktype = 'object'
              AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
              AND l.objid = %(oid)s::bigint::pg_catalog.oid
              AND l.pid = %(pid)s
              AND l.mode = 'AccessExclusiveLock'
              AND l.granted
       ) AS locked
