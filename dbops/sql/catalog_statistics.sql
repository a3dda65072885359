-- One row per extended statistics object.
--   schema, parent_schema, parent (the table), name, definition, comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-statistic-ext.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(cn.nspname) AS parent_schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(s.stxname) AS name,
    pg_catalog.concat_ws(' ',
        -- "CREATE STATISTICS schema.name (kinds) ON ..." from what follows the name.
        pg_catalog.substr(pg_catalog.pg_get_statisticsobjdef(s.oid), pg_catalog.length(
            pg_catalog.concat('CREATE STATISTICS ', pg_catalog.quote_ident(n.nspname),
                '.', pg_catalog.quote_ident(s.stxname), ' ')
        ) + 1),
        'target ' || nullif(s.stxstattarget, -1)
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_statistic_ext AS s
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
JOIN pg_catalog.pg_class AS c ON c.oid = s.stxrelid
JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
    AND d.objoid = s.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
