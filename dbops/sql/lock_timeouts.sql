-- Bound how long this session's queries may take, and wait for a lock, in milliseconds.
-- Parameters: statement_timeout, lock_timeout (text).
SELECT pg_catalog.set_config('statement_timeout', %(statement_timeout)s, false),
       pg_catalog.set_config('lock_timeout', %(lock_timeout)s, false),
       pg_catalog.set_config('idle_session_timeout', '0', false)
