-- One row per schema object: the transaction that last wrote its row of the catalog.
--   kind (as ObjectKind), schema, parent (of parts of tables), name, xid (32 bits)
-- Named as the catalog_*.sql name them. To be asked of a scratch database alone, where
-- each migration has transactions of its own.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/ddl-system-columns.html
WITH relation AS (
    SELECT c.oid, c.relkind, c.xmin, pg_catalog.quote_ident(n.nspname) AS schema,
        pg_catalog.quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT o.kind, o.schema, o.parent, o.name, o.xid::text::bigint AS xid
FROM (
    SELECT CASE WHEN relkind IN ('v', 'm') THEN 'view' WHEN relkind = 'S' THEN 'sequence'
            WHEN relkind IN ('i', 'I') THEN 'index' ELSE 'table' END AS kind,
        schema, NULL AS parent, name, xmin AS xid
    FROM relation WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I')
    UNION ALL
    SELECT 'column', r.schema, r.name, pg_catalog.quote_ident(a.attname), a.xmin
    FROM pg_catalog.pg_attribute AS a JOIN relation AS r ON r.oid = a.attrelid
    WHERE r.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'constraint', r.schema, r.name, pg_catalog.quote_ident(k.conname), k.xmin
    FROM pg_catalog.pg_constraint AS k JOIN relation AS r ON r.oid = k.conrelid
    UNION ALL
    SELECT 'trigger', r.schema, r.name, pg_catalog.quote_ident(t.tgname), t.xmin
    FROM pg_catalog.pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'policy', r.schema, r.name, pg_catalog.quote_ident(p.polname), p.xmin
    FROM pg_catalog.pg_policy AS p JOIN relation AS r ON r.oid = p.polrelid
    UNION ALL
    SELECT 'rule', r.schema, r.name, pg_catalog.quote_ident(w.rulename), w.xmin
    FROM pg_catalog.pg_rewrite AS w JOIN relation AS r ON r.oid = w.ev_class
    UNION ALL
    SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'type' END,
        pg_catalog.quote_ident(n.nspname), NULL, pg_catalog.quote_ident(t.typname), t.xmin
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'c', 'r')
    UNION ALL
    SELECT 'enum', pg_catalog.quote_ident(n.nspname), NULL,
        pg_catalog.quote_ident(t.typname), l.xmin
    FROM pg_catalog.pg_enum AS l
    JOIN pg_catalog.pg_type AS t ON t.oid = l.enumtypid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    UNION ALL
    SELECT 'function', pg_catalog.quote_ident(n.nspname), NULL,
        pg_catalog.concat(pg_catalog.quote_ident(p.proname), '(', (
            SELECT pg_catalog.string_agg(
                CASE
                    WHEN f.type LIKE 'public.%'
                        AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
                    THEN pg_catalog.substr(f.type, 8)
                    ELSE f.type
                END, ', ' ORDER BY u.place)
            FROM pg_catalog.unnest(p.proargtypes::oid[])
                WITH ORDINALITY AS u (type, place)
            CROSS JOIN LATERAL pg_catalog.format_type(u.type, NULL) AS f (type)
        ), ')'), p.xmin
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'statistics', pg_catalog.quote_ident(n.nspname), NULL,
        pg_catalog.quote_ident(s.stxname), s.xmin
    FROM pg_catalog.pg_statistic_ext AS s
    JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
    UNION ALL
    SELECT 'schema', 'public', NULL, pg_catalog.quote_ident(n.nspname), n.xmin
    FROM pg_catalog.pg_namespace AS n
    UNION ALL
    SELECT 'extension', 'public', NULL, pg_catalog.quote_ident(x.extname), x.xmin
    FROM pg_catalog.pg_extension AS x
) AS o (kind, schema, parent, name, xid)
