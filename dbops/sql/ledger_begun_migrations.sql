-- Migrations of which single operations were written down.
-- Columns: app, migration.
SELECT DISTINCT s.app, s.migration
  FROM dbops_step AS s
 WHERE s.operation IS NOT NULL
