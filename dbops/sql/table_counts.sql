-- What this session has inserted and deleted, and not yet reported: of the open
-- transaction, and of those before it, for a second at most.
-- Columns: oid, root (the partitioned table at the top), root_name (quoted, without
-- `public`), filenode, believed_rows (as sessions have reported), deleted, inserted.
-- One row for each table, those of the system and temporary ones left out. Waits for no
-- lock. Rows that a savepoint has taken back count, too.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html
SELECT t.oid,
       t.root,
       CASE
           WHEN n.nspname = 'public' THEN pg_catalog.quote_ident(r.relname)
           ELSE pg_catalog.format('%I.%I', n.nspname, r.relname)
       END AS root_name,
       t.filenode,
       t.believed_rows,
       t.deleted,
       t.inserted
  FROM (
           SELECT c.oid::bigint AS oid,
                  CASE
                      WHEN c.relispartition
                      THEN coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid)
                      ELSE c.oid
                  END::bigint AS root,
                  c.relfilenode::bigint AS filenode,
                  coalesce(pg_catalog.pg_stat_get_live_tuples(c.oid), 0)
                      AS believed_rows,
                  coalesce(pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid), 0)
                      AS deleted,
                  coalesce(pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid), 0)
                      AS inserted
             FROM pg_catalog.pg_class AS c
            WHERE c.relkind = 'r'
              AND c.relpersistence <> 't'
              AND c.oid >= 16384::pg_catalog.oid
       ) AS t
  JOIN pg_catalog.pg_class AS r ON r.oid = t.root
  JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
 WHERE n.nspname <> 'information_schema'
   AND pg_catalog.left(n.nspname, 3) <> 'pg_'
