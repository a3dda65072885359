-- Write down that a deployment begins; role and address are the session's own.
-- Parameters: id (uuid), kind, actor, host, git_revision, dbops_version (text),
-- fingerprint_before (text).
INSERT INTO dbops_deployment
       (id, kind, state, started_at, actor, role, host, git_revision, dbops_version,
        backup_id, fingerprint_before, fingerprint_after, message)
VALUES (%(id)s, %(kind)s, 'running', pg_catalog.clock_timestamp(), %(actor)s,
        current_user, %(host)s, %(git_revision)s, %(dbops_version)s,
        '', %(fingerprint_before)s, '', '')
