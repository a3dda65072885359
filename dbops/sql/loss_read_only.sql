-- Let the session change nothing, and wait for no lock for long. Parameter:
-- lock_timeout (text with its unit).
-- Source: https://www.postgresql.org/docs/current/runtime-config-client.html
SELECT pg_catalog.set_config('default_transaction_read_only', 'on', false),
    pg_catalog.set_config('lock_timeout', %(lock_timeout)s, false),
    pg_catalog.set_config('TimeZone', 'UTC', false)
