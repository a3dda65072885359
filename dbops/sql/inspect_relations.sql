-- One row per table, view and materialized view outside system schemas.
--   schema, name, kind, owner, rows (an estimate; NULL where it was never analysed),
--   size_bytes (with TOAST), index_bytes (both NULL where another session holds or
--   awaits a lock that would have to be waited for), partitions, comment
-- Parameters: with_sizes (whether they are asked for)
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-class.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.quote_ident(c.relname) AS name,
    CASE c.relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'
        WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        ELSE CASE WHEN c.relispartition THEN 'partition' ELSE 'table' END
    END AS kind,
    pg_catalog.pg_get_userbyid(c.relowner) AS owner,
    CASE WHEN c.reltuples >= 0 AND c.relkind <> 'v'
        THEN c.reltuples::bigint END AS rows,
    CASE WHEN c.relkind IN ('r', 'm', 'p') AND NOT b.busy AND %(with_sizes)s
        THEN pg_catalog.pg_table_size(c.oid) END AS size_bytes,
    CASE WHEN c.relkind IN ('r', 'm', 'p') AND NOT b.busy AND %(with_sizes)s
        THEN pg_catalog.pg_indexes_size(c.oid) END AS index_bytes,
    (
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits AS h
        WHERE h.inhparent = c.oid AND c.relkind = 'p'
    ) AS partitions,
    d.description AS comment
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
            AND l.database = (
                SELECT oid FROM pg_catalog.pg_database
                WHERE datname = pg_catalog.current_database()
            )
            AND (
                l.relation = c.oid
                OR l.relation IN (
                    SELECT i.indexrelid FROM pg_catalog.pg_index AS i
                    WHERE i.indrelid = c.oid
                )
            )
    ) AS busy
    OFFSET 0
) AS b
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.objoid = c.oid AND d.objsubid = 0
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e'
    )
ORDER BY n.nspname <> 'public', n.nspname, c.relname
