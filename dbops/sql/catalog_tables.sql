-- One row per table: ordinary, partitioned, partition or foreign.
--   schema, name, definition, comment
-- Owner, grants and tablespace are not told.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS name,
    pg_catalog.concat_ws(' ',
        CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
        CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END,
        (
            SELECT 'of ' || pg_catalog.format_type(c.reloftype, NULL)
            WHERE c.reloftype <> 0
        ),
        'partitioned by ' || pg_catalog.pg_get_partkeydef(c.oid),
        CASE WHEN c.relispartition
            THEN 'partition of ' || p.names || ' '
                || pg_catalog.pg_get_expr(c.relpartbound, c.oid)
            ELSE 'inherits (' || p.names || ')'
        END,
        CASE WHEN p.detaching THEN 'detach pending' END,
        CASE WHEN m.amname <> 'heap' THEN 'using ' || pg_catalog.quote_ident(m.amname) END,
        (
            SELECT pg_catalog.concat_ws(' ', 'server', pg_catalog.quote_ident(s.srvname),
                'options (' || pg_catalog.array_to_string(g.ftoptions, ', ') || ')')
            FROM pg_catalog.pg_foreign_table AS g
            JOIN pg_catalog.pg_foreign_server AS s ON s.oid = g.ftserver
            WHERE g.ftrelid = c.oid
        ),
        'with (' || (
            SELECT pg_catalog.string_agg(o.option, ', ' ORDER BY o.option)
            FROM (
                SELECT pg_catalog.unnest(c.reloptions)
                UNION ALL
                SELECT 'toast.' || pg_catalog.unnest(t.reloptions)
            ) AS o (option)
        ) || ')',
        CASE WHEN c.relrowsecurity THEN 'row security enabled' END,
        CASE WHEN c.relforcerowsecurity THEN 'row security forced' END,
        CASE c.relreplident
            WHEN 'n' THEN 'replica identity nothing'
            WHEN 'f' THEN 'replica identity full'
            WHEN 'i' THEN 'replica identity using index ' || coalesce((
                SELECT pg_catalog.quote_ident(ic.relname)
                FROM pg_catalog.pg_index AS i
                JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
                WHERE i.indrelid = c.oid AND i.indisreplident
            ), 'that is gone')
        END
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = c.oid AND d.objsubid = 0
LEFT JOIN LATERAL (
    SELECT
        pg_catalog.string_agg(
            CASE pn.nspname WHEN 'public' THEN ''
                ELSE pg_catalog.quote_ident(pn.nspname) || '.' END
            || pg_catalog.quote_ident(pc.relname), ', ' ORDER BY h.inhseqno),
        pg_catalog.bool_or(h.inhdetachpending)
    FROM pg_catalog.pg_inherits AS h
    JOIN pg_catalog.pg_class AS pc ON pc.oid = h.inhparent
    JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
    WHERE h.inhrelid = c.oid
) AS p (names, detaching) ON true
WHERE c.relkind IN ('r', 'p', 'f')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
