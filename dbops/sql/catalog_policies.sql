-- One row per row security policy.
--   schema, parent (the table), name, definition, comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-policy.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(p.polname) AS name,
    pg_catalog.concat_ws(' ',
        CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
        CASE p.polcmd WHEN 'r' THEN 'for select' WHEN 'a' THEN 'for insert'
            WHEN 'w' THEN 'for update' WHEN 'd' THEN 'for delete' ELSE 'for all' END,
        'to ' || (
            SELECT pg_catalog.string_agg(
                CASE o.role WHEN 0 THEN 'public'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o.role)) END,
                ', ' ORDER BY pg_catalog.pg_get_userbyid(o.role))
            FROM pg_catalog.unnest(p.polroles) AS o (role)
        ),
        'using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
        'with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_policy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_policy'::pg_catalog.regclass
    AND d.objoid = p.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
