-- The newest backup of the ledger that was verified, one row or none.
-- Columns: backup_id, age_s (seconds since it was taken).
-- PostgreSQL 15 and later.
SELECT b.backup_id,
       extract(epoch FROM pg_catalog.clock_timestamp() - b.taken_at)::float8 AS age_s
  FROM dbops_backup AS b
 WHERE b.verified NOT IN ('none', 'damaged')
 ORDER BY b.taken_at DESC
 LIMIT 1
