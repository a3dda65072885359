-- One row per column of a table, view or materialized view, in order.
--   schema, parent (the relation), name, position, type, not_null, comment
-- Waits for no lock: defaults and expressions are told elsewhere.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-attribute.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(a.attname) AS name,
    pg_catalog.row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum)::int
        AS position,
    -- A type in public loses its schema unless pg_catalog has one of that name.
    CASE
        WHEN f.type LIKE 'public.%'
            AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
        THEN pg_catalog.substr(f.type, 8)
        ELSE f.type
    END AS type,
    a.attnotnull AS not_null,
    d.description AS comment
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_catalog.format_type(a.atttypid, a.atttypmod) AS f (type)
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = a.attrelid AND d.objsubid = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
    AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum
