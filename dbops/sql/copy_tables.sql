-- What is needed to read tables in portions, by oid.
-- Parameter: oids. Columns: oid, columns (all that are stored, in their order), pages,
-- size_bytes (TOAST included), is_heap.
-- Source: https://www.postgresql.org/docs/current/functions-admin.html
SELECT c.oid::bigint AS oid,
       ARRAY(
           SELECT a.attname::text
             FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid
              AND a.attnum > 0
              AND NOT a.attisdropped
              AND a.attgenerated = ''
            ORDER BY a.attnum
       ) AS columns,
       pg_catalog.pg_relation_size(c.oid)
           / pg_catalog.current_setting('block_size')::bigint AS pages,
       pg_catalog.pg_table_size(c.oid) AS size_bytes,
       am.amname = 'heap' AS is_heap
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
 WHERE c.oid = ANY (%(oids)s::bigint[])
 ORDER BY c.oid
