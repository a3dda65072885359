-- The newest backups of the ledger, the newest first. Parameter: number (how many).
-- Columns: backup_id, taken_at, duration_s (seconds), size_bytes, database_size_bytes,
-- verified, location. PostgreSQL 15 and later.
SELECT b.backup_id, b.taken_at, b.duration_s, b.size_bytes, b.database_size_bytes,
       b.verified, b.location
  FROM dbops_backup AS b
 ORDER BY b.taken_at DESC, b.backup_id DESC
 LIMIT %(number)s
