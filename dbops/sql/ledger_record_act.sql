-- Write down what was done to others' sessions. Parameters: id (uuid), state, actor,
-- host, git_revision, dbops_version, message (text).
INSERT INTO dbops_deployment
       (id, kind, state, started_at, finished_at, actor, role, host, git_revision,
        dbops_version, backup_id, fingerprint_before, fingerprint_after, message)
VALUES (%(id)s, 'locks', %(state)s, pg_catalog.clock_timestamp(),
        pg_catalog.clock_timestamp(), %(actor)s, current_user, %(host)s,
        %(git_revision)s, %(dbops_version)s, '', '', '', %(message)s)
