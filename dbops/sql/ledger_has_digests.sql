-- Whether the ledger can hold digests; one of dbops 0001 cannot. Columns: exists.
SELECT EXISTS (
           SELECT
             FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = pg_catalog.to_regclass('dbops_step')
              AND a.attname = 'digest'
              AND NOT a.attisdropped
       ) AS exists
