-- What a manifest says of the connected database, at the snapshot's moment.
-- Columns: database, taken_at, server_version, database_size_bytes.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html
SELECT pg_catalog.current_database()::text AS database,
       pg_catalog.statement_timestamp() AS taken_at,
       pg_catalog.current_setting('server_version')::text AS server_version,
       pg_catalog.pg_database_size(pg_catalog.current_database())
           AS database_size_bytes
