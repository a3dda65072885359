-- Write down how a step ended. Parameters: id (uuid), state, sql, message,
-- fingerprint_after (text), duration_s (seconds).
UPDATE dbops_step
   SET state = %(state)s,
       sql = %(sql)s,
       message = %(message)s,
       fingerprint_after = %(fingerprint_after)s,
       duration_s = %(duration_s)s,
       finished_at = pg_catalog.clock_timestamp()
 WHERE id = %(id)s
