-- The server and the connected database, one row.
-- Columns: version_number (180004), version, database (bare), database_name (quoted),
-- in_recovery, read_only_source (null: sessions may write), database_size_bytes,
-- data_directory (null without pg_read_all_settings). PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html
SELECT pg_catalog.current_setting('server_version_num')::int4 AS version_number,
       pg_catalog.current_setting('server_version')::text AS version,
       pg_catalog.current_database()::text AS database,
       pg_catalog.quote_ident(pg_catalog.current_database()) AS database_name,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       (SELECT s.source FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'default_transaction_read_only' AND s.setting = 'on')
           AS read_only_source,
       pg_catalog.pg_database_size(pg_catalog.current_database())
           AS database_size_bytes,
       (SELECT s.setting FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'data_directory') AS data_directory
