-- One row per schema, system schemas and members of extensions left out.
--   name, definition (empty), comment
-- The comment that initdb gives to schema public does not count.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-namespace.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS name,
    ''::text AS definition,
    CASE
        WHEN n.nspname = 'public' THEN nullif(d.description, 'standard public schema')
        ELSE d.description
    END AS comment
FROM pg_catalog.pg_namespace AS n
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    AND d.objoid = n.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
            AND e.objid = n.oid AND e.deptype = 'e'
    )
