-- The steps of a deployment, in order. Parameters: deployment (uuid).
-- Columns: id, app, migration, operation, description, direction, state,
-- fingerprint_before, fingerprint_after, message.
SELECT s.id, s.app, s.migration, s.operation, s.description, s.direction, s.state,
       s.fingerprint_before, s.fingerprint_after, s.message
  FROM dbops_step AS s
 WHERE s.deployment_id = %(deployment)s
 ORDER BY s.position
