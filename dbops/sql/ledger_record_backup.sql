-- Write down a backup that was published. Parameters: backup_id, location (text),
-- taken_at (timestamptz), duration_s, size_bytes, database_size_bytes, fingerprint,
-- verified (text).
INSERT INTO dbops_backup
       (backup_id, location, taken_at, duration_s, size_bytes, database_size_bytes,
        fingerprint, verified)
VALUES (%(backup_id)s, %(location)s, %(taken_at)s, %(duration_s)s, %(size_bytes)s,
        %(database_size_bytes)s, %(fingerprint)s, %(verified)s)
ON CONFLICT (backup_id) DO NOTHING
