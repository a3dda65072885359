-- Try for the lock beside other shared ones, and never queue for it; it ends with the transaction.
-- Parameters: class, key (int4). Columns: locked.
-- A waiter in pg_advisory_lock would be an old snapshot that CREATE INDEX CONCURRENTLY
-- waits for, and the two would deadlock.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
SELECT pg_catalog.pg_try_advisory_xact_lock_shared(%(class)s, %(key)s) AS locked
