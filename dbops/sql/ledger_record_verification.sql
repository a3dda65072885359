-- Write down how far a backup is proven now. Parameters: backup_id, verified (text).
UPDATE dbops_backup SET verified = %(verified)s WHERE backup_id = %(backup_id)s
