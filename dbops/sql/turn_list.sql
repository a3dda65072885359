-- The turns from one on, in order. Parameters: since (bigint).
-- Columns: token, kind, actor, host, pid, ended (bool), plan, step, exit_code, verdict.
SELECT t.token, t.kind, t.actor, t.host, t.pid, t.ended_at IS NOT NULL AS ended, t.plan,
       t.step, t.exit_code, t.verdict
  FROM dbops_turn AS t
 WHERE t.token >= %(since)s
 ORDER BY t.token
