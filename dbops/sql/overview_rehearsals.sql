-- The last rehearsal of each of some migrations as it was then; one with rows before
-- others. Parameter: digests (array of text).
-- Columns: app, migration, digest, rehearsed_at, round_trip, duration_s (seconds),
-- with_rows, report (text, JSON). PostgreSQL 15 and later.
SELECT DISTINCT ON (r.app, r.migration, r.digest)
       r.app, r.migration, r.digest, r.rehearsed_at, r.round_trip, r.duration_s,
       r.backup_id <> '' AS with_rows, r.report
  FROM dbops_rehearsal AS r
 WHERE r.digest = ANY (%(digests)s)
   AND r.digest <> ''
 ORDER BY r.app, r.migration, r.digest, r.backup_id <> '' DESC, r.rehearsed_at DESC
