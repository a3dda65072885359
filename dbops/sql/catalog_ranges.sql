-- One row per range type outside extensions and system schemas.
--   schema, name, definition (subtype, operator class, collation, functions and the
--   name of the multirange type), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-range.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(t.typname) AS name,
    pg_catalog.concat_ws(' ', 'range of',
        -- A type in public loses its schema unless pg_catalog has one of that name.
        CASE
            WHEN f.type LIKE 'public.%'
                AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
            THEN pg_catalog.substr(f.type, 8)
            ELSE f.type
        END,
        CASE WHEN NOT oc.opcdefault THEN 'operator class '
            || pg_catalog.quote_ident(ocn.nspname) || '.'
            || pg_catalog.quote_ident(oc.opcname) END,
        CASE WHEN r.rngcollation <> st.typcollation
            THEN 'collate ' || r.rngcollation::pg_catalog.regcollation END,
        CASE WHEN r.rngcanonical <> 0 THEN 'canonical ' || r.rngcanonical END,
        CASE WHEN r.rngsubdiff <> 0 THEN 'subtype difference ' || r.rngsubdiff END,
        'multirange ' || pg_catalog.format_type(r.rngmultitypid, NULL)
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_range AS r
JOIN pg_catalog.pg_type AS t ON t.oid = r.rngtypid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_type AS st ON st.oid = r.rngsubtype
JOIN pg_catalog.pg_opclass AS oc ON oc.oid = r.rngsubopc
JOIN pg_catalog.pg_namespace AS ocn ON ocn.oid = oc.opcnamespace
CROSS JOIN LATERAL pg_catalog.format_type(r.rngsubtype, NULL) AS f (type)
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
    AND d.objoid = t.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND e.objid = t.oid AND e.deptype = 'e'
    )
