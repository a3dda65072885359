-- Whether the ledger has a table of entries for this role. Columns: exists.
SELECT pg_catalog.to_regclass('dbops_entry') IS NOT NULL AS exists
