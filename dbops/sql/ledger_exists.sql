-- Whether the ledger's tables are there for this role. Columns: exists.
SELECT pg_catalog.to_regclass('dbops_catalog') IS NOT NULL AS exists
