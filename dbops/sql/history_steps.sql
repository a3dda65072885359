-- What the ledger has of the steps of some runs, in order; columns that an older ledger
-- lacks are empty. Parameters: deployments (uuid[]).
-- Columns: id, deployment_id, position, app, migration, operation, description,
-- direction, state, started_at, duration_s, sql, fingerprint_before, fingerprint_after,
-- message, digest, down_digest, blocked_sessions, blocked_s.
SELECT s.id, s.deployment_id, s.position, s.app, s.migration, s.operation,
       s.description, s.direction, s.state, s.started_at, s.duration_s, s.sql,
       s.fingerprint_before, s.fingerprint_after, s.message,
       coalesce(j.row ->> 'digest', '') AS digest,
       coalesce(j.row ->> 'down_digest', '') AS down_digest,
       coalesce((j.row ->> 'blocked_sessions')::int, 0) AS blocked_sessions,
       coalesce((j.row ->> 'blocked_s')::float8, 0) AS blocked_s
  FROM dbops_step AS s
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s)) AS j (row)
 WHERE s.deployment_id = ANY (%(deployments)s::uuid[])
 ORDER BY s.deployment_id, s.position
