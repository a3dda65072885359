-- One row per constraint of a table, except NOT NULL (told with the column), constraint
-- triggers (told as triggers) and the copies that a foreign key makes for partitions.
--   schema, parent (the table), name, definition, comment
-- What is set on the index behind a constraint is told here; its tablespace is not.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-constraint.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(k.conname) AS name,
    pg_catalog.concat_ws(' ',
        pg_catalog.pg_get_constraintdef(k.oid),
        'with (' || pg_catalog.array_to_string(ic.reloptions, ', ') || ')',
        CASE WHEN i.indisclustered THEN 'clustered' END,
        CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
        -- A partition's inherited check is made local by dump and restore.
        CASE WHEN k.contype = 'c' AND NOT k.conislocal AND NOT c.relispartition
            THEN 'inherited' END,
        (
            SELECT 'partition of ' || CASE pn.nspname WHEN 'public' THEN ''
                ELSE pg_catalog.quote_ident(pn.nspname) || '.' END
                || pg_catalog.quote_ident(pc.relname)
            FROM pg_catalog.pg_inherits AS h
            JOIN pg_catalog.pg_class AS pc ON pc.oid = h.inhparent
            JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
            WHERE h.inhrelid = ic.oid
        ),
        'index comment ' || pg_catalog.quote_literal(id.description)
    ) AS definition,
    d.description AS comment
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS i
    ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_description AS id
    ON id.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND id.objoid = ic.oid AND id.objsubid = 0
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
    AND d.objoid = k.oid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
    AND NOT (k.contype = 'f' AND k.conparentid <> 0)
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
