-- The steps of some runs, in order. Parameter: runs (array of uuid).
-- Columns: deployment_id, app, migration, operation, description, direction, state,
-- started_at, duration_s (seconds, null where it is not known), digest, blocked_sessions
-- and blocked_s (seconds; null where nobody looked, and in an older ledger), message.
-- PostgreSQL 15 and later.
SELECT s.deployment_id, s.app, s.migration, s.operation, s.description, s.direction,
       s.state, s.started_at, s.duration_s, s.message,
       coalesce(j.fields ->> 'digest', '') AS digest,
       (j.fields ->> 'blocked_sessions')::int4 AS blocked_sessions,
       (j.fields ->> 'blocked_s')::float8 AS blocked_s
  FROM dbops_step AS s
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) - 'sql' AS fields) AS j
 WHERE s.deployment_id = ANY (%(runs)s)
 ORDER BY s.deployment_id, s.position
