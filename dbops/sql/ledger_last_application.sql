-- The newest successful application of a migration as a whole, one row or none.
-- Parameters: app, migration (text). Columns as in ledger_steps.sql.
SELECT s.id, s.app, s.migration, s.operation, s.description, s.direction, s.state,
       s.fingerprint_before, s.fingerprint_after, s.message
  FROM dbops_step AS s
 WHERE s.app = %(app)s
   AND s.migration = %(migration)s
   AND s.operation IS NULL
   AND s.direction = 'forward'
   AND s.state = 'done'
 ORDER BY s.started_at DESC
 LIMIT 1
