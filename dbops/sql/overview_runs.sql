-- The newest runs of the ledger, the newest first. Parameter: number (how many).
-- Columns: id, kind, state, started_at, finished_at, actor, host, backup_id, message.
-- PostgreSQL 15 and later.
SELECT d.id, d.kind, d.state, d.started_at, d.finished_at, d.actor, d.host,
       d.backup_id, d.message
  FROM dbops_deployment AS d
 ORDER BY d.started_at DESC, d.id DESC
 LIMIT %(number)s
