-- The newest run that may leave the schema half done, one row or none: ending somebody's
-- session is none.
-- Columns: id, kind, state, started_at, finished_at, actor, host, backup_id,
-- fingerprint_before, fingerprint_after, message.
SELECT d.id, d.kind, d.state, d.started_at, d.finished_at, d.actor, d.host,
       d.backup_id, d.fingerprint_before, d.fingerprint_after, d.message
  FROM dbops_deployment AS d
 WHERE d.kind <> 'locks'
 ORDER BY d.started_at DESC, d.id DESC
 LIMIT 1
