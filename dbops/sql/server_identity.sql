-- Whether the server can be told from others by its identity: this role may ask, and
-- the server keeps what it writes; with fsync off it is one for trials, that comes and
-- goes. Columns: may_ask.
-- Source: https://www.postgresql.org/docs/current/functions-info.html
SELECT pg_catalog.has_function_privilege(
           'pg_catalog.pg_control_system()', 'EXECUTE'
       )
   AND pg_catalog.current_setting('fsync') = 'on' AS may_ask
