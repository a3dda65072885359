-- The newest dump of the ledger, one row or none; pgBackRest's backups have other ids.
-- Columns: duration_s, database_size_bytes. PostgreSQL 15 and later.
SELECT b.duration_s, b.database_size_bytes
  FROM dbops_backup AS b
 WHERE b.backup_id ~ '^[0-9]{8}T[0-9]{6}Z-'
 ORDER BY b.taken_at DESC
 LIMIT 1
