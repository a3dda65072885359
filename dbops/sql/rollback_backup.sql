-- The newest backup from before a moment, one row or none. Parameter: before
-- (timestamptz). Columns: backup_id, taken_at.
SELECT b.backup_id, b.taken_at
  FROM dbops_backup AS b
 WHERE b.taken_at < %(before)s
 ORDER BY b.taken_at DESC, b.backup_id DESC
 LIMIT 1
