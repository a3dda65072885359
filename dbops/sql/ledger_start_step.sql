-- Write down that a step begins. Parameters: id, deployment (uuid), app, migration,
-- operation (from 1, or null), description, direction, fingerprint_before (text).
INSERT INTO dbops_step
       (id, deployment_id, position, app, migration, operation, description, direction,
        state, started_at, sql, fingerprint_before, fingerprint_after, message)
SELECT %(id)s, %(deployment)s, 1 + pg_catalog.count(*), %(app)s, %(migration)s,
       %(operation)s, %(description)s, %(direction)s, 'running',
       pg_catalog.clock_timestamp(), '', %(fingerprint_before)s, '', ''
  FROM dbops_step
 WHERE deployment_id = %(deployment)s
