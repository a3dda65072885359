-- Write down how a deployment ended. Parameters: id (uuid), state, message,
-- fingerprint_after (text).
UPDATE dbops_deployment
   SET state = %(state)s,
       message = %(message)s,
       fingerprint_after = %(fingerprint_after)s,
       finished_at = pg_catalog.clock_timestamp()
 WHERE id = %(id)s
