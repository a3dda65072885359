-- Several statements, for whoever ran journal_install.sql: takes all of it away.
-- PostgreSQL 15 and later.
DROP EVENT TRIGGER IF EXISTS dbops_journal_end;
DROP EVENT TRIGGER IF EXISTS dbops_journal_drop;
DROP SCHEMA IF EXISTS dbops_journal CASCADE;
