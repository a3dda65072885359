-- One row: whether the session's role may create databases.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/view-pg-roles.html
SELECT rolcreatedb OR rolsuper AS may FROM pg_catalog.pg_roles WHERE rolname = current_user
