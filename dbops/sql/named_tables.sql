-- The tables that these names stand for now, by the search path; partitions with the
-- partitioned table at the top. Columns: oid. Parameters: names (as SQL writes them).
-- Source: https://www.postgresql.org/docs/current/functions-info.html
SELECT t.oid::oid::bigint AS oid
  FROM pg_catalog.unnest(%(names)s::text[]) AS n (name)
 CROSS JOIN LATERAL (
           SELECT pg_catalog.to_regclass(n.name)
            UNION ALL
           SELECT pg_catalog.pg_partition_root(pg_catalog.to_regclass(n.name))
       ) AS t (oid)
 WHERE t.oid IS NOT NULL
