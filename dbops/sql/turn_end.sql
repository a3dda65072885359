-- Write down how a turn ended. Parameters: token (bigint), exit_code (int, null where
-- nobody shall go by it), verdict (text).
UPDATE dbops_turn
   SET ended_at = pg_catalog.clock_timestamp(),
       exit_code = %(exit_code)s,
       verdict = %(verdict)s
 WHERE token = %(token)s
