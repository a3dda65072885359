-- One row per index, except those behind a constraint (told with the constraint).
--   schema, parent (the table), name, definition (without the index's own name), comment
-- An index has the schema of its table. The tablespace is not told.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-index.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(ic.relname) AS name,
    pg_catalog.concat_ws(' ',
        CASE WHEN i.indisunique THEN 'UNIQUE' END,
        -- "CREATE UNIQUE INDEX name ON ..." from ON.
        pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.length(
            CASE WHEN i.indisunique THEN 'CREATE UNIQUE INDEX ' ELSE 'CREATE INDEX ' END
            || pg_catalog.quote_ident(ic.relname) || ' '
        ) + 1),
        'statistics (' || (
            SELECT pg_catalog.string_agg(
                pg_catalog.concat(a.attnum, '=', a.attstattarget), ', ' ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = i.indexrelid AND nullif(a.attstattarget, -1) IS NOT NULL
        ) || ')',
        CASE WHEN i.indisclustered THEN 'clustered' END,
        CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
        CASE WHEN NOT i.indisready THEN 'not ready' END,
        (
            SELECT 'partition of ' || CASE pn.nspname WHEN 'public' THEN ''
                ELSE pg_catalog.quote_ident(pn.nspname) || '.' END
                || pg_catalog.quote_ident(pc.relname)
            FROM pg_catalog.pg_inherits AS h
            JOIN pg_catalog.pg_class AS pc ON pc.oid = h.inhparent
            JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
            WHERE h.inhrelid = ic.oid
        )
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = ic.oid AND d.objsubid = 0
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
