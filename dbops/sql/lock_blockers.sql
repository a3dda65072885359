-- Who a session waits for directly, as the server says it; 0 for a prepared
-- transaction. Parameter: pid. Column: pids.
-- Source: https://www.postgresql.org/docs/current/functions-info.html
SELECT pg_catalog.pg_blocking_pids(%(pid)s) AS pids
