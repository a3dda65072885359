-- One row per domain outside extensions and system schemas.
--   schema, name, definition (base type, collation, null, default, constraints with
--   their names and comments), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-type.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(t.typname) AS name,
    pg_catalog.concat_ws(' ',
        -- A type in public loses its schema unless pg_catalog has one of that name.
        CASE
            WHEN f.type LIKE 'public.%'
                AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
            THEN pg_catalog.substr(f.type, 8)
            ELSE f.type
        END,
        CASE WHEN t.typnotnull THEN 'not null' END,
        'default ' || coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault),
        CASE WHEN t.typcollation <> b.typcollation THEN (
            SELECT 'collate ' || CASE cn.nspname WHEN 'pg_catalog' THEN ''
                ELSE pg_catalog.quote_ident(cn.nspname) || '.' END
                || pg_catalog.quote_ident(o.collname)
            FROM pg_catalog.pg_collation AS o
            JOIN pg_catalog.pg_namespace AS cn ON cn.oid = o.collnamespace
            WHERE o.oid = t.typcollation
        ) END,
        (
            SELECT pg_catalog.string_agg(
                pg_catalog.concat_ws(' ', 'constraint',
                    pg_catalog.quote_ident(k.conname),
                    pg_catalog.pg_get_constraintdef(k.oid),
                    -- In parentheses, to be told from the domain's own.
                    '(comment ' || pg_catalog.quote_literal(kd.description) || ')'
                ), ' ' ORDER BY k.conname)
            FROM pg_catalog.pg_constraint AS k
            LEFT JOIN pg_catalog.pg_description AS kd
                ON kd.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
                AND kd.objoid = k.oid
            WHERE k.contypid = t.oid AND k.contype = 'c'
        )
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype
CROSS JOIN LATERAL pg_catalog.format_type(t.typbasetype, t.typtypmod) AS f (type)
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
    AND d.objoid = t.oid
WHERE t.typtype = 'd'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND e.objid = t.oid AND e.deptype = 'e'
    )
