-- Tie a deployment to the backup that was taken for it. Parameters: id (uuid),
-- backup_id (text).
UPDATE dbops_deployment SET backup_id = %(backup_id)s WHERE id = %(id)s
