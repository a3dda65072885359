-- The backups that a deployment of the ledger still needs: each that is unfinished, and
-- of each kind (deploy, rollback, ...) the last that succeeded with a backup.
-- Columns: backup_id, kind, state, started_at; newest first.
SELECT d.backup_id, d.kind, d.state, d.started_at
  FROM dbops_deployment AS d
 WHERE d.backup_id <> ''
   AND (d.state IN ('running', 'needs_repair')
        OR d.id IN (SELECT DISTINCT ON (s.kind) s.id
                      FROM dbops_deployment AS s
                     WHERE s.state = 'done' AND s.backup_id <> ''
                     ORDER BY s.kind, s.started_at DESC, s.id DESC))
 ORDER BY d.started_at DESC, d.id DESC
