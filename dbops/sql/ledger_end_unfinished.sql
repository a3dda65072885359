-- Write down that a restore has put back what was running, or half done.
-- Parameter: message. Columns: id.
UPDATE dbops_deployment
   SET state = 'reverted',
       finished_at = coalesce(finished_at, pg_catalog.clock_timestamp()),
       message = pg_catalog.concat_ws('; ', nullif(message, ''), %(message)s::text)
 WHERE state IN ('running', 'needs_repair')
RETURNING id
