-- One row per column of a table, and per column of a view that has something set on it.
--   schema, parent (the table), name, position (from 1, dropped columns not counted),
--   type, collation, not_null (how, or NULL), default_value, generated, identity,
--   sequence (name of the identity's sequence where it is not the usual one) with its
--   settings, sequence_logged_otherwise (than its table), storage,
--   compression, statistics_target, options, inherited, comment
-- An inherited column of a partition is not told apart: dump and restore make it local.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-attribute.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS parent,
    pg_catalog.quote_ident(a.attname) AS name,
    a.position::int AS position,
    -- A type in public loses its schema unless pg_catalog has one of that name.
    CASE
        WHEN f.type LIKE 'public.%'
            AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
        THEN pg_catalog.substr(f.type, 8)
        ELSE f.type
    END AS type,
    CASE WHEN a.attcollation <> t.typcollation THEN (
        SELECT CASE cn.nspname WHEN 'pg_catalog' THEN ''
            ELSE pg_catalog.quote_ident(cn.nspname) || '.' END
            || pg_catalog.quote_ident(o.collname)
        FROM pg_catalog.pg_collation AS o
        JOIN pg_catalog.pg_namespace AS cn ON cn.oid = o.collnamespace
        WHERE o.oid = a.attcollation
    ) END AS collation,
    -- PostgreSQL 18 has a constraint for each, with a state of its own.
    CASE WHEN a.attnotnull THEN pg_catalog.concat_ws(' ', 'not null',
        CASE WHEN nn.connoinherit AND c.relkind <> 'p' THEN 'no inherit' END,
        CASE WHEN NOT nn.convalidated THEN 'not valid' END
    ) END AS not_null,
    pg_catalog.pg_get_expr(df.adbin, df.adrelid) AS default_value,
    a.attgenerated::text AS generated,
    a.attidentity::text AS identity,
    CASE WHEN q.relname <> pg_catalog.concat(c.relname, '_', a.attname, '_seq')
        THEN pg_catalog.quote_ident(q.relname) END AS sequence,
    q.type AS sequence_type,
    q.seqstart AS start,
    q.seqincrement AS increment,
    q.seqmin AS minimum,
    q.seqmax AS maximum,
    q.seqcache AS cache,
    q.seqcycle AS cycle,
    coalesce(q.relpersistence <> c.relpersistence, false) AS sequence_logged_otherwise,
    CASE WHEN a.attstorage <> t.typstorage THEN
        CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external'
            WHEN 'm' THEN 'main' ELSE 'extended' END
    END AS storage,
    CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
    nullif(a.attstattarget, -1)::int AS statistics_target,
    pg_catalog.array_to_string(a.attoptions || a.attfdwoptions, ', ') AS options,
    a.attinhcount > 0 AND NOT a.attislocal AND NOT c.relispartition AS inherited,
    d.description AS comment
FROM (
    SELECT *, pg_catalog.row_number() OVER (PARTITION BY attrelid ORDER BY attnum)
        AS position
    FROM pg_catalog.pg_attribute
    WHERE attnum > 0 AND NOT attisdropped
) AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
CROSS JOIN LATERAL pg_catalog.format_type(a.atttypid, a.atttypmod) AS f (type)
LEFT JOIN pg_catalog.pg_attrdef AS df
    ON df.adrelid = a.attrelid AND df.adnum = a.attnum
LEFT JOIN pg_catalog.pg_constraint AS nn
    ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum]
LEFT JOIN (
    SELECT w.refobjid, w.refobjsubid, s.*, sc.relpersistence, sc.relname,
        pg_catalog.format_type(s.seqtypid, NULL) AS type
    FROM pg_catalog.pg_depend AS w
    JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = w.objid
    JOIN pg_catalog.pg_class AS sc ON sc.oid = w.objid
    WHERE w.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND w.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND w.deptype = 'i'
) AS q ON q.refobjid = a.attrelid AND q.refobjsubid = a.attnum
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = a.attrelid AND d.objsubid = a.attnum
WHERE (
        c.relkind IN ('r', 'p', 'f')
        OR c.relkind IN ('v', 'm') AND (
            df.adbin IS NOT NULL OR d.description IS NOT NULL
            OR a.attoptions IS NOT NULL OR nullif(a.attstattarget, -1) IS NOT NULL
            OR a.attcompression <> '' OR a.attstorage <> t.typstorage
        )
    )
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
