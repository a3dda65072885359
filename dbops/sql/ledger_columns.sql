-- The columns of a table of the ledger, in order; no row where there is no table.
-- Parameter: name. Columns: name.
SELECT a.attname::text AS name
  FROM pg_catalog.pg_attribute AS a
 WHERE a.attrelid = pg_catalog.to_regclass(%(name)s)
   AND a.attnum > 0
   AND NOT a.attisdropped
 ORDER BY a.attnum
