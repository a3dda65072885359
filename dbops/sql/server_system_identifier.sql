-- The number that a server and its physical copies have in common, and no other has.
-- Columns: system_identifier.
-- Source: https://www.postgresql.org/docs/current/functions-info.html
SELECT c.system_identifier::text AS system_identifier
  FROM pg_catalog.pg_control_system() AS c
