-- The newest successful application of a migration as a whole, one row or none; columns
-- that an older ledger lacks are empty. Parameters: app, migration.
-- Columns: deployment_id, started_at, description, digest, down_digest,
-- fingerprint_before, fingerprint_after.
SELECT s.deployment_id, s.started_at, s.description,
       coalesce(pg_catalog.to_jsonb(s) ->> 'digest', '') AS digest,
       coalesce(pg_catalog.to_jsonb(s) ->> 'down_digest', '') AS down_digest,
       s.fingerprint_before, s.fingerprint_after
  FROM dbops_step AS s
 WHERE s.app = %(app)s
   AND s.migration = %(migration)s
   AND s.operation IS NULL
   AND s.direction = 'forward'
   AND s.state = 'done'
 ORDER BY s.started_at DESC
 LIMIT 1
