-- Bounds for the transaction it begins: no answer is worth waiting for long.
-- Parameters: statement_timeout, lock_timeout (text with a unit).
-- Source: https://www.postgresql.org/docs/current/runtime-config-client.html
SELECT pg_catalog.set_config('statement_timeout', %(statement_timeout)s, true),
       pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
       pg_catalog.set_config('transaction_read_only', 'on', true)
