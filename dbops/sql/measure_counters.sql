-- What this session has read and changed and not yet reported: of the open transaction,
-- and of those before it, for a second at most. Tables with nothing are left out.
-- Columns: oid, rows_read, rows_changed, rows_deleted (among the changed).
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT s.oid, s.rows_read, s.rows_changed, s.rows_deleted
  FROM (
           SELECT c.oid::bigint AS oid,
                  coalesce(pg_catalog.pg_stat_get_xact_tuples_returned(c.oid), 0)
                      AS rows_read,
                  coalesce(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid), 0)
                      + coalesce(pg_catalog.pg_stat_get_xact_tuples_updated(c.oid), 0)
                      + coalesce(pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid), 0)
                      AS rows_changed,
                  coalesce(pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid), 0)
                      AS rows_deleted
             FROM pg_catalog.pg_class AS c
            WHERE c.relkind IN ('r', 'p', 'm')
              AND c.oid >= 16384::pg_catalog.oid
       ) AS s
 WHERE s.rows_read > 0
    OR s.rows_changed > 0
