-- For each step forward the last rehearsal before it of the migration as it was applied;
-- one with rows before others. Parameters: deployments (uuid[]).
-- Columns: step, rehearsed_at, round_trip, duration_s (seconds), report (text, JSON).
SELECT s.id AS step, r.rehearsed_at, r.round_trip, r.duration_s, r.report
  FROM dbops_step AS s
 CROSS JOIN LATERAL (
           SELECT w.rehearsed_at, w.round_trip, w.duration_s, w.report
             FROM dbops_rehearsal AS w
            WHERE w.app = s.app
              AND w.migration = s.migration
              AND w.digest = s.digest
              AND w.rehearsed_at <= s.started_at
            ORDER BY w.backup_id <> '' DESC, w.rehearsed_at DESC
            LIMIT 1
       ) AS r
 WHERE s.deployment_id = ANY (%(deployments)s::uuid[])
   AND s.direction = 'forward'
   AND s.operation IS NULL
   AND s.digest <> ''
