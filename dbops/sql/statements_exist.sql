-- Whether the ledger has single statements; one of dbops 0005 has not. Columns: exists.
SELECT pg_catalog.to_regclass('dbops_statement') IS NOT NULL AS exists
