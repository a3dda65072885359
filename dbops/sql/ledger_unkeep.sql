-- Write down that something is not kept any more. Parameters: id, state (returned or
-- purged).
UPDATE dbops_kept_data
   SET state = %(state)s, ended_at = pg_catalog.clock_timestamp()
 WHERE id = %(id)s
