-- Whether the ledger keeps rehearsals for this role. Columns: exists.
SELECT pg_catalog.to_regclass('dbops_rehearsal') IS NOT NULL AS exists
