-- Bound how long this session's queries may take, and wait for a lock, in milliseconds.
-- Nor is time spent on compiling queries, or the session ended for being idle.
-- Parameters: statement_timeout, lock_timeout (text).
SELECT pg_catalog.set_config('statement_timeout', %(statement_timeout)s, false),
       pg_catalog.set_config('lock_timeout', %(lock_timeout)s, false),
       pg_catalog.set_config('idle_session_timeout', '0', false),
       pg_catalog.set_config('jit', 'off', false)
