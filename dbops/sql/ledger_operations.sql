-- What is known of the operations of a non-atomic migration since it was last applied
-- or taken back as a whole; the newest word on each operation last.
-- Parameters: app, migration (text). Columns: operation, state.
SELECT s.operation, s.state
  FROM dbops_step AS s
 WHERE s.app = %(app)s
   AND s.migration = %(migration)s
   AND s.operation IS NOT NULL
   AND s.started_at > coalesce((
           SELECT max(w.finished_at)
             FROM dbops_step AS w
            WHERE w.app = %(app)s
              AND w.migration = %(migration)s
              AND w.operation IS NULL
              AND w.state = 'done'
       ), '-infinity')
 ORDER BY s.started_at, s.position
