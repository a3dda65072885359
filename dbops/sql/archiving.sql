-- Whether and how the server archives its WAL, and what this role may do, one row.
-- Columns: system_id, database (bare), role (quoted), in_recovery, archive_mode
-- (off, on, always), may_make_points, failed_wal, failed_at (null: never failed),
-- archived_at (null: nothing was archived yet). PostgreSQL 15 and later.
-- Source: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ARCHIVER-VIEW
SELECT (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)
           AS system_id,
       pg_catalog.current_database()::text AS database,
       pg_catalog.quote_ident(current_user) AS role,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('archive_mode') AS archive_mode,
       pg_catalog.has_function_privilege(
           'pg_catalog.pg_create_restore_point(text)', 'EXECUTE') AS may_make_points,
       a.last_failed_wal AS failed_wal,
       a.last_failed_time AS failed_at,
       a.last_archived_time AS archived_at
  FROM pg_catalog.pg_stat_archiver AS a
