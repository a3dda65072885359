-- How often each statement of this database ran, and how long that took altogether.
-- Columns: key, query (its beginning, constants replaced by $1, $2 ...), calls, total_ms.
-- {view} is the extension's, in its schema.
-- Source: https://www.postgresql.org/docs/current/pgstatstatements.html
SELECT s.queryid::text AS key,
       pg_catalog.min(pg_catalog.left(s.query, 400)) AS query,
       pg_catalog.sum(s.calls)::bigint AS calls,
       pg_catalog.sum(s.total_exec_time)::float8 AS total_ms
  FROM {view} AS s
 WHERE s.dbid = (
           SELECT d.oid
             FROM pg_catalog.pg_database AS d
            WHERE d.datname = pg_catalog.current_database()
       )
   AND s.toplevel
   AND s.queryid IS NOT NULL
   AND s.query <> '<insufficient privilege>'
 GROUP BY s.queryid
