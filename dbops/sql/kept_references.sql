-- The foreign keys of a table. Parameter: oid.
-- Columns: columns (as stored), target_oid, schema, relation and target_columns (of what
-- they refer to), name (of it, as catalogs print it).
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-constraint.html
SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.place) AS columns,
    k.confrelid::bigint AS target_oid, n.nspname::text AS schema,
    c.relname::text AS relation,
    pg_catalog.array_agg(b.attname::text ORDER BY u.place) AS target_columns,
    CASE WHEN n.nspname = 'public' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.'
        END || pg_catalog.quote_ident(c.relname) AS name
FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS c ON c.oid = k.confrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)
    ) WITH ORDINALITY AS u (own, target, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.own
    JOIN pg_catalog.pg_attribute AS b ON b.attrelid = k.confrelid AND b.attnum = u.target
WHERE k.conrelid = %(oid)s AND k.contype = 'f' AND k.conparentid = 0
GROUP BY k.oid, k.confrelid, n.nspname, c.relname
ORDER BY k.oid
