-- One row per installed extension.
--   name, definition (version and schema), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-extension.html
SELECT
    pg_catalog.quote_ident(x.extname) AS name,
    pg_catalog.concat('version ', x.extversion, ' in schema ',
        pg_catalog.quote_ident(n.nspname)) AS definition,
    d.description AS comment
FROM pg_catalog.pg_extension AS x
JOIN pg_catalog.pg_namespace AS n ON n.oid = x.extnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    AND d.objoid = x.oid
