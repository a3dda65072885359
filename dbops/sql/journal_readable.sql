-- One row: whether the journal is there, and this role may read it.
-- PostgreSQL 15 and later.
SELECT coalesce(
    pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), false) AS readable
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'ddl'
WHERE n.nspname = 'dbops_journal'
