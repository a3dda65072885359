-- One row per enum type outside extensions and system schemas.
--   schema, name, definition (the labels in order), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-enum.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(t.typname) AS name,
    pg_catalog.concat('(', (
        SELECT pg_catalog.string_agg(
            pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
        FROM pg_catalog.pg_enum AS l
        WHERE l.enumtypid = t.oid
    ), ')') AS definition,
    d.description AS comment
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
    AND d.objoid = t.oid
WHERE t.typtype = 'e'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND e.objid = t.oid AND e.deptype = 'e'
    )
