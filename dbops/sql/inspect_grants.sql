-- One row per relation, column, sequence or schema and role that was granted something;
-- what the owner has by owning it is left out.
--   kind, schema, name, role, privileges (in order, * after those that may be passed on)
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/ddl-priv.html
SELECT
    g.kind,
    pg_catalog.quote_ident(g.schema) AS schema,
    g.name,
    CASE g.grantee WHEN 0 THEN 'PUBLIC'
        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END AS role,
    pg_catalog.string_agg(
        g.privilege || CASE WHEN g.passes THEN '*' ELSE '' END, ', '
        ORDER BY g.privilege
    ) AS privileges
FROM (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'view' ELSE 'table' END,
        n.nspname, pg_catalog.quote_ident(c.relname), c.oid,
        a.grantee, a.privilege_type, a.is_grantable, c.relowner
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT 'column', n.nspname,
        pg_catalog.quote_ident(c.relname) || '.' || pg_catalog.quote_ident(t.attname),
        c.oid, a.grantee, a.privilege_type, a.is_grantable, c.relowner
    FROM pg_catalog.pg_attribute AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
    WHERE NOT t.attisdropped AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    UNION ALL
    SELECT 'schema', n.nspname, pg_catalog.quote_ident(n.nspname), NULL,
        a.grantee, a.privilege_type, a.is_grantable, n.nspowner
    FROM pg_catalog.pg_namespace AS n
    CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
) AS g (kind, schema, name, oid, grantee, privilege, passes, owner)
WHERE g.grantee <> g.owner
    AND g.schema !~ '^pg_' AND g.schema <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = g.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
GROUP BY g.kind, g.schema, g.name, g.grantee
ORDER BY g.kind, g.schema, g.name, role
