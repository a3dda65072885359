-- The last rehearsal of a migration as it is on disk now; one with rows before others.
-- Columns: run, rehearsed_at, actor, backup_id, round_trip, duration_s, report (text,
-- JSON), down_digest (empty in an older ledger, too).
-- Parameters: app, migration, digest.
SELECT r.run, r.rehearsed_at, r.actor, r.backup_id, r.round_trip, r.duration_s, r.report,
       coalesce(pg_catalog.to_jsonb(r) ->> 'down_digest', '') AS down_digest
  FROM dbops_rehearsal AS r
 WHERE r.app = %(app)s
   AND r.migration = %(migration)s
   AND r.digest = %(digest)s
 ORDER BY r.backup_id <> '' DESC, r.rehearsed_at DESC
 LIMIT 1
