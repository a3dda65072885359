-- Have every server write and read values in the same way, whatever role, database and
-- configuration say, and resolve no name by a search path. For this session alone.
-- Source: https://www.postgresql.org/docs/current/runtime-config-client.html
SELECT pg_catalog.set_config(s.name, s.value, false) AS value
  FROM (
           VALUES ('bytea_output', 'hex'),
                  ('datestyle', 'ISO, YMD'),
                  ('default_transaction_read_only', 'off'),
                  ('extra_float_digits', '3'),
                  ('intervalstyle', 'postgres'),
                  ('lc_monetary', 'C'),
                  ('search_path', ''),
                  ('synchronize_seqscans', 'off'),
                  ('timezone', 'UTC'),
                  ('xmloption', 'content'),
                  (
                      'client_encoding',
                      CASE pg_catalog.getdatabaseencoding()
                          WHEN 'SQL_ASCII' THEN 'SQL_ASCII'
                          WHEN 'MULE_INTERNAL' THEN 'MULE_INTERNAL'
                          ELSE 'UTF8'
                      END
                  )
       ) AS s (name, value)
