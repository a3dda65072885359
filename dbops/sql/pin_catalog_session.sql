-- Pin, until the (sub)transaction ends, every setting that changes deparsed text, and
-- keep the compiler out, which costs more than it gains here; one row that says nothing.
-- Parameters: lock_timeout (text with unit)
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/runtime-config-client.html
SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, true))
FROM (VALUES
    ('search_path', 'pg_catalog, pg_temp'),
    ('lock_timeout', %(lock_timeout)s::text),
    ('client_encoding', 'UTF8'),
    ('jit', 'off'),
    ('quote_all_identifiers', 'off'),
    ('standard_conforming_strings', 'on'),
    ('TimeZone', 'UTC'),
    ('DateStyle', 'ISO'),
    ('IntervalStyle', 'postgres'),
    ('bytea_output', 'hex'),
    ('extra_float_digits', '1'),
    ('lc_monetary', 'C')
) AS s (name, value)
