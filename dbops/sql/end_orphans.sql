-- Terminate the working sessions of runs that are dead, and wait until they are gone.
-- To be called under the deploy lock only: whoever works without it has lost it.
-- Parameters: prefix (of application_name), wait_ms. Columns: pid, application_name.
-- Only sessions of the own role are touched: others may not be signalled.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
-- The list is made before the first signal is sent: the planner is free to evaluate
-- conditions of one WHERE in any order.
WITH orphan AS MATERIALIZED (
    SELECT a.pid, a.application_name
      FROM pg_catalog.pg_stat_activity AS a
     WHERE a.datname = pg_catalog.current_database()
       AND pg_catalog.starts_with(a.application_name, %(prefix)s)
       AND a.usename = session_user
       AND a.pid <> pg_catalog.pg_backend_pid()
)
SELECT orphan.pid, orphan.application_name
  FROM orphan
 WHERE pg_catalog.pg_terminate_backend(orphan.pid, %(wait_ms)s)
