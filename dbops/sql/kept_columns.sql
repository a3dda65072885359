-- The columns of a table. Parameter: oid.
-- Columns: name (as stored), type, is_plain (type and collation are PostgreSQL's own, so
-- that nobody else's can be dropped from under it), generated, identity (empty, or as in
-- pg_attribute), has_default, not_null, key (place in the primary key, or null), sequence
-- (that it owns; quoted, or null).
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-attribute.html
SELECT a.attname::text AS name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
        AND coalesce(l.collnamespace = 'pg_catalog'::pg_catalog.regnamespace, true)
        AS is_plain,
    a.attgenerated::text AS generated, a.attidentity::text AS identity,
    a.atthasdef AS has_default, a.attnotnull AS not_null,
    pg_catalog.array_position(k.conkey, a.attnum) AS key,
    CASE WHEN a.attidentity <> '' OR a.atthasdef THEN pg_catalog.pg_get_serial_sequence(
        pg_catalog.format('%%I.%%I', n.nspname, c.relname), a.attname
    ) END AS sequence
FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
