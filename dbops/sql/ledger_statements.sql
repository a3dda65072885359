-- What is known of the single statements of a non-atomic migration since it was last
-- applied or taken back as a whole; the newest word on each statement last.
-- Parameters: app, migration (text). Columns: operation, number, state, sql.
SELECT s.operation, s.number, s.state, s.sql
  FROM dbops_statement AS s
 WHERE s.app = %(app)s
   AND s.migration = %(migration)s
   AND s.began_at > coalesce((
           SELECT max(w.finished_at)
             FROM dbops_step AS w
            WHERE w.app = %(app)s
              AND w.migration = %(migration)s
              AND w.operation IS NULL
              AND w.state = 'done'
       ), '-infinity')
 ORDER BY s.began_at
