-- What each migration said when it was last applied or adopted, one row a migration;
-- none for one that was taken back since, or whose digest is not known.
-- Columns: app, migration, digest (text), started_at (timestamptz).
SELECT s.app, s.migration, s.digest, s.started_at
  FROM (SELECT DISTINCT ON (w.app, w.migration)
               w.app, w.migration, w.digest, w.started_at, w.direction
          FROM dbops_step AS w
         WHERE w.operation IS NULL
           AND w.state = 'done'
         ORDER BY w.app, w.migration, w.started_at DESC) AS s
 WHERE s.direction = 'forward'
   AND s.digest <> ''
 ORDER BY s.app, s.migration
