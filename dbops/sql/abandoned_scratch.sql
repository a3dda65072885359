-- Scratch databases that nobody is connected to any more.
-- Columns: name. Parameters: prefix (text), age_s (seconds since the name was made).
-- The time of creation is part of the name: prefix, epoch seconds, "_", random.
SELECT d.datname::text AS name
  FROM pg_catalog.pg_database AS d
 WHERE d.datname ~ ('^' || %(prefix)s || '[0-9]{9,11}_[0-9a-f]{8}$')
   AND (pg_catalog.regexp_match(d.datname::text, '_([0-9]+)_'))[1]::bigint
       < extract(epoch FROM pg_catalog.now()) - %(age_s)s
   AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.datid = d.oid
   )
