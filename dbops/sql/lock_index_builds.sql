-- The index builds of this database that are under way. Columns: pid, command (empty
-- without the right to see it), phase, current_locker_pid (0: it waits for nobody),
-- table, index (quoted; empty where it has no name yet).
-- Source: https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING
SELECT p.pid,
       coalesce(p.command, '') AS command,
       coalesce(p.phase, '') AS phase,
       coalesce(p.current_locker_pid, 0)::int AS current_locker_pid,
       coalesce(pg_catalog.quote_ident(tn.nspname) || '.'
                || pg_catalog.quote_ident(t.relname), '') AS "table",
       coalesce(pg_catalog.quote_ident(i.relname), '') AS index
  FROM pg_catalog.pg_stat_progress_create_index AS p
  LEFT JOIN pg_catalog.pg_class AS t ON t.oid = p.relid
  LEFT JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
  LEFT JOIN pg_catalog.pg_class AS i ON i.oid = p.index_relid
 WHERE p.datname = pg_catalog.current_database()
