-- A table that is about to be dropped, or whose column is. Parameter: oid.
-- Columns: oid, schema, relation, name (as catalogs print it), kind, persistence, rows
-- (estimated; negative: nobody knows), size_bytes (without indexes), has_relatives
-- (inherits, is inherited from, or is a partition), has_children, has_dependents (beyond its own
-- indexes, constraints, defaults, sequences and triggers, and others' foreign keys).
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-depend.html
WITH sequences AS (
    SELECT q.oid
    FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS q ON q.oid = d.objid
    WHERE d.refobjid = %(oid)s AND d.deptype IN ('a', 'i') AND q.relkind = 'S'
        AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
), types AS (
    SELECT t.oid
    FROM pg_catalog.pg_type AS t
        JOIN pg_catalog.pg_class AS c ON c.reltype IN (t.oid, t.typelem)
    WHERE c.oid = %(oid)s AND c.reltype <> 0
), own AS (
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass AS classid, d.oid AS objid
    FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid = %(oid)s
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid
    FROM pg_catalog.pg_constraint AS k WHERE %(oid)s IN (k.conrelid, k.confrelid)
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid
    FROM pg_catalog.pg_index AS i WHERE i.indrelid = %(oid)s
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.reltoastrelid
    FROM pg_catalog.pg_class AS t WHERE t.oid = %(oid)s
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, s.oid FROM sequences AS s
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, g.oid
    FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = %(oid)s
    UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid
    FROM pg_catalog.pg_statistic_ext AS s WHERE s.stxrelid = %(oid)s
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM types AS t
)
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS relation,
    CASE WHEN n.nspname = 'public' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.'
        END || pg_catalog.quote_ident(c.relname) AS name,
    c.relkind::text AS kind, c.relpersistence::text AS persistence,
    c.reltuples::float8 AS rows, pg_catalog.pg_table_size(c.oid) AS size_bytes,
    EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS h WHERE c.oid IN (h.inhrelid, h.inhparent)
    ) AS has_relatives,
    EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = c.oid
    ) AS has_children,
    EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE (
                d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND (d.refobjid = c.oid OR d.refobjid IN (SELECT s.oid FROM sequences AS s))
                OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
                AND d.refobjid IN (SELECT t.oid FROM types AS t)
            )
            AND (d.classid, d.objid) NOT IN (SELECT o.classid, o.objid FROM own AS o)
    ) AS has_dependents
FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = %(oid)s
