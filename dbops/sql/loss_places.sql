-- The columns and tables whose rows going back would destroy. Parameters: tables (their
-- names as catalogs print them), enums (likewise).
-- Columns: table_name, schema, relation, kind (r, p, ...), rows (estimated; negative:
-- nobody knows), column_name (as stored; null for the table itself), quoted_name, type,
-- enum (of a column that holds one, or an array of them), default_value (expression),
-- missing (what rows from before the column have, as text), null_share (estimated),
-- is_moment (whether it is a timestamp).
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-attribute.html
WITH places AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relispartition,
        CASE WHEN n.nspname = 'public' THEN ''
            ELSE pg_catalog.quote_ident(n.nspname) || '.' END
        || pg_catalog.quote_ident(c.relname) AS table_name
    FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f')
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), enums AS (
    SELECT t.oid, t.typarray,
        CASE WHEN n.nspname = 'public' THEN ''
            ELSE pg_catalog.quote_ident(n.nspname) || '.' END
        || pg_catalog.quote_ident(t.typname) AS name
    FROM pg_catalog.pg_type AS t
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e'
)
SELECT p.table_name, p.nspname::text AS schema, p.relname::text AS relation,
    p.relkind::text AS kind, p.reltuples::float8 AS rows,
    a.attname::text AS column_name,
    p.table_name || '.' || pg_catalog.quote_ident(a.attname) AS quoted_name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    e.name AS enum,
    CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
        AS default_value,
    CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END AS missing,
    (
        SELECT pg_catalog.max(s.null_frac)::float8 FROM pg_catalog.pg_stats AS s
        WHERE s.schemaname = p.nspname AND s.tablename = p.relname
            AND s.attname = a.attname
    ) AS null_share,
    a.atttypid IN (
        'pg_catalog.timestamptz'::pg_catalog.regtype,
        'pg_catalog.timestamp'::pg_catalog.regtype
    ) AS is_moment
FROM places AS p
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS d
        ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN enums AS e ON a.atttypid IN (e.oid, e.typarray)
WHERE p.table_name = ANY(%(tables)s)
    OR (
        NOT p.relispartition AND EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS o
                JOIN enums AS f ON o.atttypid IN (f.oid, f.typarray)
            WHERE o.attrelid = p.oid AND NOT o.attisdropped
                AND f.name = ANY(%(enums)s)
        )
    )
ORDER BY p.table_name, a.attnum
