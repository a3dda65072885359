-- All that is kept. Columns: place (the table's name as stored), comment, size_bytes.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html
SELECT c.relname::text AS place, d.description AS comment,
    pg_catalog.pg_total_relation_size(c.oid) AS size_bytes
FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_description AS d
        ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objoid = c.oid AND d.objsubid = 0
WHERE c.relnamespace = pg_catalog.to_regnamespace('dbops_kept') AND c.relkind = 'r'
ORDER BY c.oid
