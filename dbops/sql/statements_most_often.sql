-- The statements of this database that ran most often, constants replaced by $1, $2 ...
-- Columns: query. Parameters: most (how many). {view} is the extension's, in its schema.
-- Source: https://www.postgresql.org/docs/current/pgstatstatements.html
SELECT s.query
  FROM {view} AS s
 WHERE s.dbid = (
           SELECT d.oid
             FROM pg_catalog.pg_database AS d
            WHERE d.datname = pg_catalog.current_database()
       )
   AND s.toplevel
   AND s.query <> '<insufficient privilege>'
 GROUP BY s.query
 ORDER BY pg_catalog.sum(s.calls) DESC
 LIMIT %(most)s
