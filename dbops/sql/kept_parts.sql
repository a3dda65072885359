-- What has to go from a table that is kept: it would be in others' way. Parameter: oid.
-- Columns: kind (reference: a foreign key of another table; constraint, index, trigger,
-- statistics), schema and relation (of the table that has it), name. In an order in which
-- they can be dropped.
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-constraint.html
SELECT p.kind, p.schema, p.relation, p.name
FROM (
    SELECT CASE WHEN k.conrelid = %(oid)s THEN 2 ELSE 1 END AS place,
        CASE WHEN k.conrelid = %(oid)s THEN 'constraint' ELSE 'reference' END AS kind,
        n.nspname::text AS schema, c.relname::text AS relation, k.conname::text AS name,
        CASE k.contype WHEN 'f' THEN 1 WHEN 'c' THEN 2 ELSE 3 END AS rank
    FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE %(oid)s IN (k.conrelid, k.confrelid) AND k.contype IN ('f', 'c', 'p', 'u', 'x')
        AND k.conparentid = 0
    UNION ALL
    SELECT 3, 'index', n.nspname::text, c.relname::text, c.relname::text, 1
    FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indrelid = %(oid)s AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conindid = i.indexrelid AND k.conrelid = %(oid)s
    )
    UNION ALL
    SELECT 4, 'trigger', n.nspname::text, c.relname::text, g.tgname::text, 1
    FROM pg_catalog.pg_trigger AS g
        JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE g.tgrelid = %(oid)s AND NOT g.tgisinternal
    UNION ALL
    SELECT 5, 'statistics', n.nspname::text, s.stxname::text, s.stxname::text, 1
    FROM pg_catalog.pg_statistic_ext AS s
        JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
    WHERE s.stxrelid = %(oid)s
) AS p
ORDER BY p.place, p.rank, p.name
