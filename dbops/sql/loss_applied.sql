-- When a migration was applied, as Django wrote it down. Parameters: app, migration.
-- Columns: applied (timestamptz). One row per time, the newest first.
SELECT applied
  FROM django_migrations
 WHERE app = %(app)s AND name = %(migration)s
 ORDER BY applied DESC
