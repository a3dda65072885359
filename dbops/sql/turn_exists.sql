-- Whether the ledger has turns; one of dbops 0005 has not. Columns: exists.
SELECT pg_catalog.to_regclass('dbops_turn') IS NOT NULL AS exists
