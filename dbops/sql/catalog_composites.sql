-- One row per composite type of its own (not the row type of a table).
--   schema, name, definition (the attributes in order, with their comments), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-type.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(t.typname) AS name,
    pg_catalog.concat('composite (', (
        SELECT pg_catalog.string_agg(
            pg_catalog.concat_ws(' ',
                pg_catalog.quote_ident(a.attname),
                -- A type in public loses its schema unless pg_catalog has that name.
                CASE
                    WHEN f.type LIKE 'public.%'
                        AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
                    THEN pg_catalog.substr(f.type, 8)
                    ELSE f.type
                END,
                CASE WHEN a.attcollation <> at.typcollation THEN (
                    SELECT 'collate ' || CASE cn.nspname WHEN 'pg_catalog' THEN ''
                        ELSE pg_catalog.quote_ident(cn.nspname) || '.' END
                        || pg_catalog.quote_ident(o.collname)
                    FROM pg_catalog.pg_collation AS o
                    JOIN pg_catalog.pg_namespace AS cn ON cn.oid = o.collnamespace
                    WHERE o.oid = a.attcollation
                ) END,
                'comment ' || pg_catalog.quote_literal(ad.description)
            ), ', ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_type AS at ON at.oid = a.atttypid
        CROSS JOIN LATERAL pg_catalog.format_type(a.atttypid, a.atttypmod) AS f (type)
        LEFT JOIN pg_catalog.pg_description AS ad
            ON ad.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND ad.objoid = a.attrelid AND ad.objsubid = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), ')') AS definition,
    d.description AS comment
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c'
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
    AND d.objoid = t.oid
WHERE t.typtype = 'c'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND e.objid = t.oid AND e.deptype = 'e'
    )
