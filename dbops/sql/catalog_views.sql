-- One row per view and materialized view.
--   schema, name, definition (kind and options), body (the query), comment
-- Whether a materialized view is populated is its data's business.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS name,
    pg_catalog.concat_ws(' ',
        CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END,
        CASE WHEN m.amname <> 'heap' THEN 'using ' || pg_catalog.quote_ident(m.amname) END,
        'with (' || (
            SELECT pg_catalog.string_agg(o.option, ', ' ORDER BY o.option)
            FROM (
                SELECT pg_catalog.unnest(c.reloptions)
                UNION ALL
                SELECT 'toast.' || pg_catalog.unnest(t.reloptions)
            ) AS o (option)
        ) || ')'
    ) AS definition,
    pg_catalog.pg_get_viewdef(c.oid) AS body,
    d.description AS comment
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = c.oid AND d.objsubid = 0
WHERE c.relkind IN ('v', 'm')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
