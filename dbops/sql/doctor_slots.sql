-- Replication slots that nobody uses, and how much WAL the server keeps for each.
-- Columns: name (bare), literal (quoted), retained_bytes. PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/view-pg-replication-slots.html
SELECT s.slot_name::text AS name,
       pg_catalog.quote_literal(s.slot_name) AS literal,
       pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(),
                              pg_catalog.pg_last_wal_replay_lsn())
                ELSE pg_catalog.pg_current_wal_lsn()
           END,
           s.restart_lsn
       )::int8 AS retained_bytes
  FROM pg_catalog.pg_replication_slots AS s
 WHERE NOT s.active
   AND s.restart_lsn IS NOT NULL
 ORDER BY 1
