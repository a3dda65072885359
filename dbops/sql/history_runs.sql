-- What the ledger has of the runs, newest first; columns that an older ledger lacks
-- are empty. Parameters: kinds, states (text[], or null for all), since (timestamptz or
-- null), app (of one of its migrations, or null), prefix (of the id, or empty), most.
-- Columns: id, kind, state, started_at, finished_at, actor, role, host, git_revision,
-- dbops_version, backup_id, fingerprint_before, fingerprint_after, message,
-- allowed (text, JSON).
SELECT d.id, d.kind, d.state, d.started_at, d.finished_at, d.actor, d.role, d.host,
       d.git_revision, d.dbops_version, d.backup_id, d.fingerprint_before,
       d.fingerprint_after, d.message,
       coalesce(pg_catalog.to_jsonb(d) ->> 'allowed', '[]') AS allowed
  FROM dbops_deployment AS d
 WHERE (%(kinds)s::text[] IS NULL OR d.kind = ANY (%(kinds)s::text[]))
   AND (%(states)s::text[] IS NULL OR d.state = ANY (%(states)s::text[]))
   AND (%(since)s::timestamptz IS NULL OR d.started_at >= %(since)s::timestamptz)
   AND (%(app)s::text IS NULL
        OR EXISTS (SELECT
                     FROM dbops_step AS s
                    WHERE s.deployment_id = d.id AND s.app = %(app)s::text))
   AND pg_catalog.starts_with(d.id::text, %(prefix)s)
 ORDER BY d.started_at DESC, d.id DESC
 LIMIT %(most)s
