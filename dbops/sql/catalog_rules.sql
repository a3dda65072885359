-- One row per rewrite rule, except the one that makes a view.
--   schema, parent (the table), name, definition (state), body (the rule), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-rewrite.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(r.rulename) AS name,
    CASE r.ev_enabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled replica'
        WHEN 'A' THEN 'enabled always' ELSE 'enabled' END AS definition,
    -- "CREATE RULE name AS ON ..." from AS.
    pg_catalog.substr(pg_catalog.pg_get_ruledef(r.oid), pg_catalog.length(
        'CREATE RULE ' || pg_catalog.quote_ident(r.rulename) || ' '
    ) + 1) AS body,
    d.description AS comment
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    AND d.objoid = r.oid
WHERE r.rulename <> '_RETURN'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
