-- One row per object that a DDL statement made, changed or dropped, newest first.
--   at, role, application_name, client (address, or "local"), command, identity, statement
-- PostgreSQL 15 and later.
SELECT at, role, application_name, client, command, identity, statement
FROM dbops_journal.ddl
ORDER BY id DESC
