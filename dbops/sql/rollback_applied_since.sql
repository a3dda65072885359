-- The migrations whose newest successful application is in a run that began at a moment
-- or after it. Parameter: since (timestamptz). Columns: app, migration.
SELECT s.app, s.migration
  FROM (SELECT DISTINCT ON (w.app, w.migration)
               w.app, w.migration, w.deployment_id
          FROM dbops_step AS w
         WHERE w.operation IS NULL
           AND w.direction = 'forward'
           AND w.state = 'done'
         ORDER BY w.app, w.migration, w.started_at DESC) AS s
  JOIN dbops_deployment AS d ON d.id = s.deployment_id
 WHERE d.started_at >= %(since)s
