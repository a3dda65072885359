-- One row per sequence outside extensions and system schemas; the sequence of an
-- identity column belongs to its column (catalog_columns.sql).
--   schema, name, type, start, increment, minimum, maximum, cache, cycle,
--   unlogged, parent (table that owns it), owner (column that owns it), comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-sequence.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS name,
    pg_catalog.format_type(s.seqtypid, NULL) AS type,
    s.seqstart AS start,
    s.seqincrement AS increment,
    s.seqmin AS minimum,
    s.seqmax AS maximum,
    s.seqcache AS cache,
    s.seqcycle AS cycle,
    c.relpersistence = 'u' AS unlogged,
    pg_catalog.quote_ident(o.relname) AS parent,
    pg_catalog.quote_ident(a.attname) AS owner,
    d.description AS comment
FROM pg_catalog.pg_sequence AS s
JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend AS w
    ON w.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND w.objid = c.oid
    AND w.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND w.refobjsubid > 0 AND w.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_class AS o ON o.oid = w.refobjid
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = w.refobjid AND a.attnum = w.refobjsubid
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = c.oid AND d.objsubid = 0
WHERE w.deptype IS DISTINCT FROM 'i'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid IN (c.oid, o.oid) AND e.objsubid = 0 AND e.deptype = 'e'
    )
