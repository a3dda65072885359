-- Write down what the rehearsal of a migration showed. Parameters: id, run (uuid), actor,
-- host, dbops_version, server_version, backup_id, app, migration, digest, round_trip,
-- duration_s, report (text, JSON).
INSERT INTO dbops_rehearsal
       (id, run, rehearsed_at, actor, host, dbops_version, server_version, backup_id, app,
        migration, digest, round_trip, duration_s, report)
VALUES (%(id)s, %(run)s, pg_catalog.clock_timestamp(), %(actor)s, %(host)s,
        %(dbops_version)s, %(server_version)s, %(backup_id)s, %(app)s, %(migration)s,
        %(digest)s, %(round_trip)s, %(duration_s)s, %(report)s)
